var hub = Things["AzureServices"].FindHubThing({ thingName: thingName, hubThingName: hubThingName });
var result = Things[hub].DescribeAzureIotDevice({ thingName: thingName, moduleId: moduleId });
