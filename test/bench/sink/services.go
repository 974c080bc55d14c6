package sink

import (
	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/test/bench/source"
)

// answers encodes, for each service that tells the remote properties of a Thing, its answer: all Things are alike.
func answers(hubThing string, body source.Body) map[string][]byte {
	text := infotable.String
	column := func(name string) infotable.Field { return infotable.Column(name, infotable.TypeString) }
	own := infotable.New(column("name"), column("edgeName"), column("baseType"), column("pushType"), column("gatewayThing"))
	definitions := infotable.New(column("name"), column("baseType"))
	subscriptions := infotable.New(column("edgeName"))
	for _, p := range body.Properties {
		own.Add(text(p.Name), text(p.Name), text(p.BaseType), text("ALWAYS"), text(hubThing))
		definitions.Add(text(p.Name), text(p.BaseType))
		subscriptions.Add(text(p.Name))
	}
	encoded := map[string][]byte{}
	for service, table := range map[string]*infotable.Table{
		"GetAzureRemoteProperties": own, "GetPropertyDefinitions": definitions, "GetPropertySubscriptions": subscriptions,
	} {
		encoded[service] = alwayson.AppendResponse(nil, &alwayson.Response{Code: alwayson.Success, Content: table})
	}
	return encoded
}
