// Whoever may call this needs no right to make Things.
var TEMPLATE = "ProtocolAdapterWithAvailability";
var thingName = String(name === undefined || name === null ? "" : name);
var group, thing, result;

if (thingName === "") {
    throw new Error("a connector needs a name");
}
thing = Things[thingName];
if (thing && !thing.IsDerivedFromTemplate({ thingTemplateName: TEMPLATE })) {
    throw new Error("the name " + thingName + " is that of a Thing that is no connector: its template has to be " + TEMPLATE);
}
if (!thing) {
    Resources["EntityServices"].CreateThing({
        name: thingName,
        description: "Connector",
        thingTemplateName: TEMPLATE
    });
    thing = Things[thingName];
    thing.EnableThing();
    thing.RestartThing();
    logger.info("made the Thing {} for a connector", thingName);
}
if (availabilityGroup !== undefined && availabilityGroup !== null) {
    group = String(availabilityGroup);
    if (group !== String(thing.availabilityGroup === undefined || thing.availabilityGroup === null ? "" : thing.availabilityGroup)) {
        thing.availabilityGroup = group;
    }
}
logger.info("connector {} starts: instance {}, version {}", thingName, instanceId, version);
result = thingName;
