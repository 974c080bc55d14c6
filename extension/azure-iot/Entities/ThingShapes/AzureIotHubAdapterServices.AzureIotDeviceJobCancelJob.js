var hub = Things["AzureServices"].FindHubThing({ hubThingName: hubThingName });
Things[hub].AzureIotDeviceJobCancelJob({ jobId: jobId });
