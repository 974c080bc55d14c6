var result = null;
throw new Error("DescribeAzureIotDevice is not available in this version");
