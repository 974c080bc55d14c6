// A connector's Thing asks its connector; any other Thing with this shape has all connectors asked. The event
// ClearCacheEntry of ConnectionServicesHub is fired by the connectors: a script cannot fire an event that has the name of
// a service.
var connectors, connector, entry, i, n;

entry = { cacheName: cacheName };
if (cacheKey !== undefined && cacheKey !== null) {
    entry.cacheKey = String(cacheKey);
}
if (context !== undefined && context !== null) {
    entry.context = JSON.parse(JSON.stringify(context));
}

if (me.IsDerivedFromTemplate({ thingTemplateName: "ProtocolAdapter" })) {
    me.ClearConnectorCacheEntry(entry);
} else {
    connectors = ThingTemplates["ProtocolAdapter"].GetImplementingThings();
    n = connectors.rows.length;
    for (i = 0; i < n; i++) {
        connector = Things[String(connectors.rows[i].name)];
        try {
            if (connector && connector.isConnected) {
                connector.ClearCacheEntry(entry);
            }
        } catch (e) {
            logger.warn("connector {} did not drop its cache entry: {}", connectors.rows[i].name, e.message);
        }
    }
}
