var hub = Things["AzureServices"].FindHubThing({ thingName: thingName, hubThingName: hubThingName });
Things[hub].DeleteAzureIotDevice({ thingName: thingName, moduleId: moduleId });
