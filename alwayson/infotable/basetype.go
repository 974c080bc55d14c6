package infotable

import (
	"fmt"
	"strings"
)

// BaseType is a ThingWorx base type. Values up to 0xFF are wire codes (captured, or read in PTC's
// extension documentation); larger ones are types that are known by name only and never travel.
type BaseType uint16

// Base types with a wire code.
const (
	TypeString    BaseType = 0x00
	TypeNumber    BaseType = 0x01 // IEEE 754 double
	TypeBoolean   BaseType = 0x02
	TypeDateTime  BaseType = 0x03 // milliseconds since 1970-01-01 UTC
	TypeTimespan  BaseType = 0x04 // has a code, but no known layout: refused on the wire
	TypeInfotable BaseType = 0x05
	TypeLocation  BaseType = 0x06 // longitude, latitude, elevation
	TypeXML       BaseType = 0x07
	TypeJSON      BaseType = 0x08 // JSON text
	TypeQuery     BaseType = 0x09 // JSON text
	TypeImage     BaseType = 0x0A // bytes
	TypeHyperlink BaseType = 0x0B
	TypeImageLink BaseType = 0x0C
	TypePassword  BaseType = 0x0D // travels in clear
	TypeHTML      BaseType = 0x0E
	TypeText      BaseType = 0x0F
	TypeTags      BaseType = 0x10
	TypeSchedule  BaseType = 0x11 // has a code, but the C SDK refuses it: refused on the wire
	TypeVariant   BaseType = 0x12 // one more typed primitive
	TypeGUID      BaseType = 0x14
	TypeBlob      BaseType = 0x15 // bytes
	TypeInteger   BaseType = 0x16 // 32 bits, signed
	TypeLong      BaseType = 0x17 // 64 bits, signed: number read, layout inferred; C SDK 2.2.1 rejects it

	TypePropertyName BaseType = 0x32
	TypeServiceName  BaseType = 0x33
	TypeEventName    BaseType = 0x34

	TypeThingName              BaseType = 0x64
	TypeThingShapeName         BaseType = 0x65
	TypeThingTemplateName      BaseType = 0x66
	TypeDataShapeName          BaseType = 0x68
	TypeMashupName             BaseType = 0x69
	TypeMenuName               BaseType = 0x6A
	TypeBaseTypeName           BaseType = 0x6B
	TypeUserName               BaseType = 0x6C
	TypeGroupName              BaseType = 0x6D
	TypeCategoryName           BaseType = 0x6E
	TypeStateDefinitionName    BaseType = 0x6F
	TypeStyleDefinitionName    BaseType = 0x70
	TypeModelTagVocabularyName BaseType = 0x71
	TypeDataTagVocabularyName  BaseType = 0x72
	TypeNetworkName            BaseType = 0x73
	TypeMediaEntityName        BaseType = 0x74
	TypeApplicationKeyName     BaseType = 0x75
	TypeLocalizationTableName  BaseType = 0x76
	TypeOrganizationName       BaseType = 0x77
	TypeDashboardName          BaseType = 0x78

	TypeNothing BaseType = 0xFF // no value; stands for null in any column
)

// Base types that newer platforms know and whose wire codes are unknown. A field of such a type is
// written as STRING; a value of such a type cannot be made.
const (
	TypeVec2 BaseType = 0x100 + iota
	TypeVec3
	TypeVec4
	TypeThingCode
	TypeProjectName
	TypeThingGroupName
	TypeStyleThemeName
)

// form is how the value behind a type code is laid out on the wire.
type form uint8

const (
	formNone    form = iota // no known layout: refused on the wire
	formEmpty               // nothing follows
	formText                // string
	formBytes               // plain 4-byte length, then bytes
	formBool                // 1 byte
	formInt32               // 4 bytes
	formInt64               // 8 bytes
	formDouble              // 8 bytes
	formPoint               // three doubles
	formTable               // fields and rows
	formVariant             // one more typed primitive
)

// baseTypeInfo is what is known of one base type.
type baseTypeInfo struct {
	base BaseType
	name string
	form form
}

// baseTypes lists every base type known by name.
var baseTypes = [...]baseTypeInfo{
	{TypeString, "STRING", formText},
	{TypeNumber, "NUMBER", formDouble},
	{TypeBoolean, "BOOLEAN", formBool},
	{TypeDateTime, "DATETIME", formInt64},
	{TypeTimespan, "TIMESPAN", formNone},
	{TypeInfotable, "INFOTABLE", formTable},
	{TypeLocation, "LOCATION", formPoint},
	{TypeXML, "XML", formText},
	{TypeJSON, "JSON", formText},
	{TypeQuery, "QUERY", formText},
	{TypeImage, "IMAGE", formBytes},
	{TypeHyperlink, "HYPERLINK", formText},
	{TypeImageLink, "IMAGELINK", formText},
	{TypePassword, "PASSWORD", formText},
	{TypeHTML, "HTML", formText},
	{TypeText, "TEXT", formText},
	{TypeTags, "TAGS", formText},
	{TypeSchedule, "SCHEDULE", formNone},
	{TypeVariant, "VARIANT", formVariant},
	{TypeGUID, "GUID", formText},
	{TypeBlob, "BLOB", formBytes},
	{TypeInteger, "INTEGER", formInt32},
	{TypeLong, "LONG", formInt64},
	{TypePropertyName, "PROPERTYNAME", formText},
	{TypeServiceName, "SERVICENAME", formText},
	{TypeEventName, "EVENTNAME", formText},
	{TypeThingName, "THINGNAME", formText},
	{TypeThingShapeName, "THINGSHAPENAME", formText},
	{TypeThingTemplateName, "THINGTEMPLATENAME", formText},
	{TypeDataShapeName, "DATASHAPENAME", formText},
	{TypeMashupName, "MASHUPNAME", formText},
	{TypeMenuName, "MENUNAME", formText},
	{TypeBaseTypeName, "BASETYPENAME", formText},
	{TypeUserName, "USERNAME", formText},
	{TypeGroupName, "GROUPNAME", formText},
	{TypeCategoryName, "CATEGORYNAME", formText},
	{TypeStateDefinitionName, "STATEDEFINITIONNAME", formText},
	{TypeStyleDefinitionName, "STYLEDEFINITIONNAME", formText},
	{TypeModelTagVocabularyName, "MODELTAGVOCABULARYNAME", formText},
	{TypeDataTagVocabularyName, "DATATAGVOCABULARYNAME", formText},
	{TypeNetworkName, "NETWORKNAME", formText},
	{TypeMediaEntityName, "MEDIAENTITYNAME", formText},
	{TypeApplicationKeyName, "APPLICATIONKEYNAME", formText},
	{TypeLocalizationTableName, "LOCALIZATIONTABLENAME", formText},
	{TypeOrganizationName, "ORGANIZATIONNAME", formText},
	{TypeDashboardName, "DASHBOARDNAME", formText},
	{TypeNothing, "NOTHING", formEmpty},
	{TypeVec2, "VEC2", formNone},
	{TypeVec3, "VEC3", formNone},
	{TypeVec4, "VEC4", formNone},
	{TypeThingCode, "THINGCODE", formNone},
	{TypeProjectName, "PROJECTNAME", formNone},
	{TypeThingGroupName, "THINGGROUPNAME", formNone},
	{TypeStyleThemeName, "STYLETHEMENAME", formNone},
}

// forms gives the layout of each wire code, for the hot path.
var forms = func() (table [256]form) {
	for _, info := range baseTypes {
		if info.base <= 0xFF {
			table[info.base] = info.form
		}
	}
	return table
}()

func (t BaseType) form() form {
	if t > 0xFF {
		return formNone
	}
	return forms[t]
}

// String returns the ThingWorx name, such as "NUMBER", or the code in hexadecimal if it has no known name.
func (t BaseType) String() string {
	for i := range baseTypes {
		if baseTypes[i].base == t {
			return baseTypes[i].name
		}
	}
	return fmt.Sprintf("0x%02X", uint16(t))
}

// ParseBaseType returns the base type of a ThingWorx name; letter case is ignored.
// It also knows names whose types cannot travel: ask [BaseType.OnWire].
func ParseBaseType(name string) (BaseType, error) {
	for i := range baseTypes {
		if strings.EqualFold(baseTypes[i].name, name) {
			return baseTypes[i].base, nil
		}
	}
	return TypeNothing, fmt.Errorf("parse base type %q: %w", name, ErrUnsupportedType)
}

// OnWire reports whether values of this type have a known layout and may be sent.
func (t BaseType) OnWire() bool { return t.form() != formNone }

// IsText reports whether values of this type travel as a string: STRING, JSON, THINGNAME and so on.
func (t BaseType) IsText() bool { return t.form() == formText }

// IsBytes reports whether values of this type are bytes: IMAGE and BLOB.
func (t BaseType) IsBytes() bool { return t.form() == formBytes }

// IsNumeric reports whether values of this type are NUMBER, INTEGER or LONG.
func (t BaseType) IsNumeric() bool {
	return t == TypeNumber || t == TypeInteger || t == TypeLong
}
