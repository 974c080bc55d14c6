// Each connector is told on its own Thing, since a request to the hub Thing reaches only one of them. One that is not
// connected reads the settings when it starts.
var connectors = ThingTemplates["ProtocolAdapter"].GetImplementingThings();
var n = connectors.rows.length;
var i, connector;

me.ConfigurationChanged({ hubThingName: me.name, time: new Date() });
for (i = 0; i < n; i++) {
    connector = Things[String(connectors.rows[i].name)];
    try {
        if (connector && connector.isConnected) {
            connector.ConfigurationChanged({ hubThingName: me.name });
        }
    } catch (e) {
        logger.warn("connector {} was not told that settings of {} have changed: {}", connectors.rows[i].name, me.name, e.message);
    }
}
