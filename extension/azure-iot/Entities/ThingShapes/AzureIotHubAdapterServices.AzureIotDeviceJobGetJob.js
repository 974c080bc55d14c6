var hub = Things["AzureServices"].FindHubThing({ hubThingName: hubThingName });
var result = Things[hub].AzureIotDeviceJobGetJob({ jobId: jobId });
