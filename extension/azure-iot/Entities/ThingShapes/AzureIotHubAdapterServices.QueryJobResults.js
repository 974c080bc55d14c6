var hub = Things["AzureServices"].FindHubThing({ hubThingName: hubThingName });
var result = Things[hub].QueryJobResults({ jobId: jobId, maxItems: maxItems });
