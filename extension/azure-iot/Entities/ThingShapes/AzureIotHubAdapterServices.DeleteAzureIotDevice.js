throw new Error("DeleteAzureIotDevice is not available in this version");
