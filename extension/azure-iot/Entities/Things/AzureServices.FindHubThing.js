var named = hubThingName ? String(hubThingName) : "";
var device = thingName ? Things[thingName] : null;
var hubs, result;

if (named === "" && device) {
    named = device.gatewayThing ? String(device.gatewayThing) : "";
    if (named === "") {
        throw new Error("Thing " + thingName + " has no hub: its property gatewayThing is empty, or it lacks the shape RoutedEgress");
    }
}
if (named === "") {
    hubs = ThingTemplates["AzureIotHubTemplate"].GetImplementingThings();
    if (hubs.rows.length !== 1) {
        throw new Error("there are " + hubs.rows.length + " hub Things, so hubThingName has to say which one is meant");
    }
    named = String(hubs.rows[0].name);
}
if (!Things[named]) {
    throw new Error("there is no hub Thing " + named);
}
result = named;
