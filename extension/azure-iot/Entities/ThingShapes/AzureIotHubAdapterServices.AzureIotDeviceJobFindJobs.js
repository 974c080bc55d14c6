var hub = Things["AzureServices"].FindHubThing({ hubThingName: hubThingName });
var result = Things[hub].AzureIotDeviceJobFindJobs({ jobType: jobType, jobStatus: jobStatus, maxItems: maxItems });
