var device = Things[thingName];
var hubName, hub, message, result;

if (!device) {
    throw new Error("there is no Thing \"" + thingName + "\"");
}
hubName = device.gatewayThing ? String(device.gatewayThing) : "";
if (hubName === "") {
    throw new Error("Thing " + thingName + " has no hub: its property gatewayThing is empty, or it lacks the shape RoutedEgress");
}
hub = Things[hubName];
if (!hub) {
    throw new Error("Thing " + thingName + " has the hub Thing " + hubName + ", which does not exist");
}
message = { thingName: thingName, payload: payload };
if (properties !== undefined && properties !== null) {
    message.properties = JSON.parse(JSON.stringify(properties));
}
result = hub.AzureIotSendMessage(message);
