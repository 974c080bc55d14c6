var hub = Things["AzureServices"].FindHubThing({ hubThingName: hubThingName });
var result = Things[hub].AzureIotDeviceJobScheduleTwinUpdateJob({
    patch: patch,
    queryCondition: queryCondition,
    startTime: startTime,
    maxExecutionTimeInSeconds: maxExecutionTimeInSeconds
});
