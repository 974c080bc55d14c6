var hub = Things["AzureServices"].FindHubThing({ hubThingName: hubThingName });
var result = Things[hub].AzureIotDeviceJobScheduleDeviceMethodJob({
    methodName: methodName,
    payload: payload,
    connectTimeoutInSeconds: connectTimeoutInSeconds,
    responseTimeoutInSeconds: responseTimeoutInSeconds,
    queryCondition: queryCondition,
    startTime: startTime,
    maxExecutionTimeInSeconds: maxExecutionTimeInSeconds
});
