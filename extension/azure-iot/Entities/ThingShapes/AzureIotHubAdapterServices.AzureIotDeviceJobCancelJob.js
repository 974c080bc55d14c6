throw new Error("AzureIotDeviceJobCancelJob is not available in this version");
