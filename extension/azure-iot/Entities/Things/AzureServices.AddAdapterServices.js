var SHAPE = "AzureIotHubAdapterServices";
var HUB = "ConnectionServicesHub";
var hub = Things[HUB];
var result = false;

if (!hub) {
    throw new Error("there is no Thing " + HUB + ": import the package azx-connection-services");
}
if (!hub.ImplementsShape({ thingShapeName: SHAPE })) {
    Resources["EntityServices"].AddShapeToThing({ name: HUB, thingShapeName: SHAPE });
    result = true;
}
