var result = null;
throw new Error("AzureIotDeviceJobFindJobs is not available in this version");
