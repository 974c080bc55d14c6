var result = null;
throw new Error("AzureIotDeviceJobScheduleDeviceMethodJob is not available in this version");
