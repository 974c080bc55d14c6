var hub = Things["AzureServices"].FindHubThing({ thingName: thingName, hubThingName: hubThingName });
Things[hub].CreateAzureIotDevice({ thingName: thingName, moduleId: moduleId, iotEdge: iotEdge });
