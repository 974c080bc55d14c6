var result = null;
throw new Error("ImportAzureIotDevices is not available in this version");
