var result = null;
throw new Error("AzureIotDeviceJobScheduleTwinUpdateJob is not available in this version");
