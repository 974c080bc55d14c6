package extension

import (
	"strings"
	"testing"
)

func TestDeclarationsNameEachEntityAndItsMembers(t *testing.T) {
	files := map[string]string{
		"Entities/DataShapes/Plant.Pair.xml": `<Entities><DataShapes><DataShape name="Plant.Pair" description="Two */ values">
			<FieldDefinitions><FieldDefinition name="left" baseType="NUMBER" description="The first"/><FieldDefinition name="a-b" baseType="JSON"/></FieldDefinitions></DataShape></DataShapes></Entities>`,
		"Entities/ThingShapes/Pump.xml": `<Entities><ThingShapes><ThingShape name="Pump">
			<PropertyDefinitions><PropertyDefinition name="mod::speed" baseType="NUMBER"/></PropertyDefinitions>
			<EventDefinitions><EventDefinition name="Stopped" dataShape="Plant.Pair" description="It stands"/></EventDefinitions></ThingShape></ThingShapes></Entities>`,
		"Entities/ThingTemplates/Pump.xml": `<Entities><ThingTemplates><ThingTemplate name="Pump" baseThingTemplate="RemoteThing">
			<ThingShape><ServiceDefinitions><ServiceDefinition name="Read" description="Reads"><ResultType baseType="INFOTABLE" description="what it read" aspect.dataShape="Plant.Pair"/>
			<ParameterDefinitions><FieldDefinition name="from" baseType="DATETIME" description="from when" aspect.isRequired="true"/><FieldDefinition name="most" baseType="INTEGER"/></ParameterDefinitions></ServiceDefinition></ServiceDefinitions></ThingShape>
			<RemoteServiceBindings><RemoteServiceBinding name="Read"/></RemoteServiceBindings>
			<ImplementedShapes><ImplementedShape name="Pump"/></ImplementedShapes></ThingTemplate></ThingTemplates></Entities>`,
		"Entities/Things/Pump.xml": `<Entities><Things><Thing name="Pump" thingTemplate="Pump"/></Things></Entities>`,
	}
	source, err := Read(tree(files))
	if err != nil {
		t.Fatal(err)
	}
	want := `// Entities of the package plant 0.2.0.

/**
 * Two * / values
 */
declare class Plant_Pair extends DataShapeBase {
    /**
     * The first
     */
    left: NUMBER;
    "a-b": TWJSON;
}
declare interface DataShapes {
    "Plant.Pair": DataShapeEntity<Plant_Pair>;
}

declare class Pump extends ThingShapeBase {
    "mod::speed": NUMBER;
    /**
     * It stands
     */
    Stopped: EVENT<DataShapes["Plant.Pair"]["__dataShapeType"]>;
}
declare interface ThingShapes {
    "Pump": ThingShapeEntity<Pump>;
}

declare class Pump_ extends ThingTemplateWithShapesReference("RemoteThing", "Pump") {
    /**
     * Reads
     * @param args.from from when
     * @param args.most
     * @return what it read
     */
    Read(args: {from: DATETIME; most?: INTEGER}): InfoTableReference<"Plant.Pair">;
}
declare interface ThingTemplates {
    "Pump": ThingTemplateEntity<Pump_>;
}

declare class Pump__ extends ThingTemplateReference("Pump") {
}
declare interface Things {
    "Pump": Pump__;
}
`
	got := string(source.Files[len(source.Files)-1].Data)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(got, "\t") {
		t.Error("a description brought blanks along")
	}
}
