throw new Error("CreateAzureIotDevice is not available in this version");
