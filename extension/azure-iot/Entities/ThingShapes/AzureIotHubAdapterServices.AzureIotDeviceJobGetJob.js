var result = null;
throw new Error("AzureIotDeviceJobGetJob is not available in this version");
