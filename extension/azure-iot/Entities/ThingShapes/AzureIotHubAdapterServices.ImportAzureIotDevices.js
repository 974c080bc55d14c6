var hub = Things["AzureServices"].FindHubThing({ hubThingName: hubThingName });
var result = Things[hub].ImportAzureIotDevices({
    thingTemplateName: thingTemplateName,
    queryCondition: queryCondition,
    rules: rules,
    update: update,
    dryRun: dryRun,
    declare: declare
});
