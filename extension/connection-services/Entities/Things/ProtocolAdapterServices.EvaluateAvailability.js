// Of each availability group one connector is active: the one that is already, as long as it is in good health, else the
// first one by name that is. One that does not say how it is for healthTimeout seconds, or that is stopping, is not. If
// none is healthy, one that is degraded will do. A connector without a group stands for itself.
var HEALTHY = 0, DEGRADED = 1, OUT = 2;
var limit = (Number(healthTimeout) > 0 ? Number(healthTimeout) : 30) * 1000;
var now = new Date().getTime();
var list = ThingShapes["ProtocolAdapterWithAvailability"].GetImplementingThings();
var names = [], chosen = {}, ranks = {}, i, j, n, name, thing, key, rank, best, result;

function rankOf(connector) {
    var updated = connector.healthStateUpdated;
    var age = updated ? now - new Date(updated).getTime() : limit + 1;
    var state = String(connector.healthState || "");
    if (!(age <= limit) || state === "" || state === "stopping") {
        return OUT;
    }
    return state === "healthy" ? HEALTHY : DEGRADED;
}

// A platform may refuse whatever is asked of a disabled Thing.
function isUsable(connector) {
    try {
        return Boolean(connector) && connector.IsEnabled();
    } catch (e) {
        return false;
    }
}

n = list.rows.length;
for (i = 0; i < n; i++) {
    name = String(list.rows[i].name);
    if (isUsable(Things[name])) {
        names.push(name);
    }
}
names.sort();

for (i = 0; i < names.length; i++) {
    name = names[i];
    thing = Things[name];
    rank = rankOf(thing);
    ranks[name] = rank;
    key = thing.availabilityGroup ? "group " + thing.availabilityGroup : "alone " + name;
    best = chosen[key];
    if (rank !== OUT && (best === undefined || rank < ranks[best] || rank === ranks[best] && thing.active && !Things[best].active)) {
        chosen[key] = name;
    }
}

for (j = 0; j < names.length; j++) {
    name = names[j];
    thing = Things[name];
    key = thing.availabilityGroup ? "group " + thing.availabilityGroup : "alone " + name;
    if (Boolean(thing.active) !== (chosen[key] === name)) {
        thing.active = chosen[key] === name;
        logger.info("connector {} is {}", name, thing.active ? "active now" : "not active any more");
    }
}

result = me.GetProtocolAdaptersWithAvailability();
