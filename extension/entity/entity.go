// Package entity holds ThingWorx entities as the XML of packages and exports has them, and reads them from it.
//
// It checks the form only: whether a name that an entity refers to exists is for whoever puts sets of entities together.
package entity

// Set is what one package or one export holds; each collection keeps the order of its files.
type Set struct {
	Packages       []Package
	Projects       []Project
	DataShapes     []DataShape
	ThingShapes    []ThingShape
	ThingTemplates []ThingTemplate
	Things         []Thing
	Groups         []Group
	Organizations  []Organization
	Users          []User
	Documents      []Document // of all other collections
	Dropped        []Dropped  // what a real platform passes over without a word, and so does this set
}

// Dropped is something that stands in the XML and that a real platform ignores.
type Dropped struct {
	Pos    Pos
	Entity string // "Collection/Name"
	What   string // and why
}

// Pos is where something stands: the file's path in its package, and the line, from 1.
type Pos struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Common is what entities of every collection have.
type Common struct {
	Name          string            `json:"name"`
	Description   string            `json:"description,omitempty"`
	Documentation string            `json:"documentationContent,omitempty"`
	Project       string            `json:"projectName,omitempty"`
	Tags          string            `json:"tags,omitempty"`
	HomeMashup    string            `json:"homeMashup,omitempty"`
	Aspects       map[string]string `json:"aspects,omitempty"` // attributes "aspect.NAME", by NAME
	Permissions   Permissions       `json:"permissions"`
	Pos           Pos               `json:"-"`
}

// Permissions are who may do what with an entity, and with what is made of it.
type Permissions struct {
	DesignTime         []Grant     `json:"designTime,omitempty"`
	RunTime            []Grant     `json:"runTime,omitempty"`
	Visibility         []Principal `json:"visibility,omitempty"`
	InstanceDesignTime []Grant     `json:"instanceDesignTime,omitempty"` // of templates and shapes, for their Things
	InstanceRunTime    []Grant     `json:"instanceRunTime,omitempty"`
	InstanceVisibility []Principal `json:"instanceVisibility,omitempty"`
}

// Grant permits or denies one right to one principal.
type Grant struct {
	// Resource is a property's, service's or event's name, or "*" for all. Of design time: always "*".
	Resource string `json:"resource"`
	// Right is PropertyRead, PropertyWrite, ServiceInvoke, EventInvoke or EventSubscribe; at design time Create, Read,
	// Update, Delete or Metadata.
	Right     string    `json:"right"`
	Principal Principal `json:"principal"`
	Permitted bool      `json:"isPermitted"`
}

// Principal is who a permission is for.
type Principal struct {
	Name string `json:"name"`
	Type string `json:"type"` // User or Group; of visibility: Organization or OrganizationalUnit
}

// Package is an ExtensionPackage of metadata.xml.
type Package struct {
	Name, Description, Vendor, GroupID, ArtifactID string

	Version        string // major.minor.patch
	Build          string
	MinimumVersion string // of the platform
	DependsOn      []Dependency
	HACompatible   bool
	Jars           []string // files of its JarResources
	Pos            Pos
}

// Dependency is another package that a package needs.
type Dependency struct {
	Name    string
	Version string // at least this one
}

// Project groups entities.
type Project struct {
	Common
	Version string `json:"packageVersion,omitempty"`
}

// Field is a column of a data shape or a parameter of a service.
type Field struct {
	Name        string            `json:"name"`
	BaseType    string            `json:"baseType"`
	Description string            `json:"description,omitempty"`
	Ordinal     int               `json:"ordinal"`
	Aspects     map[string]string `json:"aspects,omitempty"` // isPrimaryKey, isRequired, defaultValue, dataShape, ...
	Pos         Pos               `json:"-"`
}

// DataShape names the columns of a table.
type DataShape struct {
	Common
	Base   string  `json:"baseDataShape,omitempty"`
	Fields []Field `json:"fields"`
}

// Members are the characteristics that Things, templates and shapes define themselves.
type Members struct {
	Properties       []Property       `json:"properties,omitempty"`
	Services         []Service        `json:"services,omitempty"`
	Events           []Event          `json:"events,omitempty"`
	Subscriptions    []Subscription   `json:"subscriptions,omitempty"`
	RemoteProperties []RemoteProperty `json:"remoteProperties,omitempty"`
	RemoteServices   []RemoteService  `json:"remoteServices,omitempty"`
	RemoteEvents     []RemoteEvent    `json:"remoteEvents,omitempty"`
	LocalBindings    []LocalBinding   `json:"localBindings,omitempty"`
	Alerts           []string         `json:"alerts,omitempty"` // properties with alert slots
}

// Property is a PropertyDefinition.
type Property struct {
	Field
	Category  string `json:"category,omitempty"`
	LocalOnly bool   `json:"isLocalOnly,omitempty"`
}

// Service is a ServiceDefinition with its ServiceImplementation. A service without an implementation is one that the edge
// carries out, which a RemoteService says, or that nobody does.
type Service struct {
	Name          string            `json:"name"`
	Description   string            `json:"description,omitempty"`
	Category      string            `json:"category,omitempty"`
	AllowOverride bool              `json:"isAllowOverride,omitempty"`
	LocalOnly     bool              `json:"isLocalOnly,omitempty"`
	Open          bool              `json:"isOpen,omitempty"`
	Private       bool              `json:"isPrivate,omitempty"`
	Aspects       map[string]string `json:"aspects,omitempty"` // isAsync
	Result        Field             `json:"resultType"`        // BaseType NOTHING for none
	Parameters    []Field           `json:"parameters,omitempty"`
	Handler       string            `json:"handler,omitempty"` // of the implementation: Script; "" for none
	Code          string            `json:"code,omitempty"`    // of handler Script
	CodePos       Pos               `json:"-"`
	Pos           Pos               `json:"-"`
}

// Event is an EventDefinition.
type Event struct {
	Name        string `json:"name"`
	DataShape   string `json:"dataShape"`
	Description string `json:"description,omitempty"`
	Category    string `json:"category,omitempty"`
	Pos         Pos    `json:"-"`
}

// Subscription runs a script when an event is fired.
type Subscription struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Enabled     bool   `json:"enabled"`
	Event       string `json:"eventName"`
	SourceType  string `json:"sourceType,omitempty"` // Thing, ThingTemplate or ThingShape
	Source      string `json:"source,omitempty"`     // "" for the Thing itself
	Property    string `json:"sourceProperty,omitempty"`
	Handler     string `json:"handler,omitempty"`
	Code        string `json:"code,omitempty"`
	CodePos     Pos    `json:"-"`
	Pos         Pos    `json:"-"`
}

// RemoteProperty binds the property of the same name to the edge.
type RemoteProperty struct {
	Name          string  `json:"name"`
	SourceName    string  `json:"sourceName,omitempty"`
	PushType      string  `json:"pushType,omitempty"`
	PushThreshold float64 `json:"pushThreshold,omitempty"`
	FoldType      string  `json:"foldType,omitempty"`
	Timeout       int     `json:"timeout,omitempty"`
	CacheTime     float64 `json:"cacheTime,omitempty"` // of the property's aspect cacheTime, unless the binding has its own
	StartType     string  `json:"startType,omitempty"`
	Pos           Pos     `json:"-"`
}

// RemoteService binds the service of the same name to the edge.
type RemoteService struct {
	Name       string `json:"name"`
	SourceName string `json:"sourceName,omitempty"`
	Timeout    int    `json:"timeout,omitempty"`
	Queue      bool   `json:"enableQueue,omitempty"`
	Pos        Pos    `json:"-"`
}

// RemoteEvent binds the event of the same name to the edge.
type RemoteEvent struct {
	Name       string `json:"name"`
	SourceName string `json:"sourceName,omitempty"`
	Pos        Pos    `json:"-"`
}

// LocalBinding takes a property's value from a property of another Thing.
type LocalBinding struct {
	Name        string `json:"name"`
	SourceThing string `json:"sourceThingName"`
	SourceName  string `json:"sourceName"`
	Pos         Pos    `json:"-"`
}

// TableDefinition is a ConfigurationTableDefinition: the columns are those of a data shape.
type TableDefinition struct {
	Name        string `json:"name"`
	DataShape   string `json:"dataShapeName"`
	Description string `json:"description,omitempty"`
	Category    string `json:"category,omitempty"`
	MultiRow    bool   `json:"isMultiRow,omitempty"`
	Hidden      bool   `json:"isHidden,omitempty"`
	Ordinal     int    `json:"ordinal,omitempty"`
	Pos         Pos    `json:"-"`
}

// Table is a ConfigurationTable: rows, with columns of their own.
type Table struct {
	Name      string  `json:"name"`
	DataShape string  `json:"dataShapeName,omitempty"`
	MultiRow  bool    `json:"isMultiRow,omitempty"`
	Fields    []Field `json:"fields,omitempty"`
	Rows      []Row   `json:"rows,omitempty"`
	Pos       Pos     `json:"-"`
}

// Row has the text of each cell by column: that of a plain cell, of one wrapped in <json>, or the XML of one wrapped in
// <infoTable>.
type Row map[string]string

// ThingShape is a set of characteristics that templates and Things implement.
type ThingShape struct {
	Common
	Members
	ClassName string `json:"className,omitempty"` // Java-backed; none of ours
}

// ThingTemplate is what Things are made of.
type ThingTemplate struct {
	Common
	Members
	Base        string            `json:"baseThingTemplate,omitempty"`
	Shapes      []string          `json:"implementedShapes,omitempty"`
	ValueStream string            `json:"valueStream,omitempty"`
	Definitions []TableDefinition `json:"tableDefinitions,omitempty"`
	Tables      []Table           `json:"tables,omitempty"`
}

// Thing is a Thing.
type Thing struct {
	Common
	Members
	Template    string            `json:"thingTemplate"`
	Identifier  string            `json:"identifier,omitempty"`
	Enabled     bool              `json:"enabled"`
	Published   bool              `json:"published,omitempty"`
	ValueStream string            `json:"valueStream,omitempty"`
	Shapes      []string          `json:"implementedShapes,omitempty"`
	Definitions []TableDefinition `json:"tableDefinitions,omitempty"`
	Tables      []Table           `json:"tables,omitempty"`
	Values      []Value           `json:"values,omitempty"`
}

// Value is a property value that a Thing brings along.
type Value struct {
	Property string `json:"property"`
	Text     string `json:"text"`
	Time     string `json:"time,omitempty"` // ISO 8601
	Quality  string `json:"quality,omitempty"`
	Pos      Pos    `json:"-"`
}

// Group is a group of users and groups.
type Group struct {
	Common
	Members []Principal `json:"members,omitempty"`
}

// Organization is a tree of units, for visibility.
type Organization struct {
	Common
	Units []Unit `json:"units"` // the first one is the root
}

// Unit is an organizational unit.
type Unit struct {
	Name    string      `json:"name"`
	Parent  string      `json:"parent,omitempty"` // "" for the root
	Members []Principal `json:"members,omitempty"`
}

// User is a user. Packages of this project bring none.
type User struct {
	Common
	Enabled bool `json:"enabled"`
}

// Document is an entity that is kept as it is, such as a mashup or a state definition.
type Document struct {
	Common
	Collection string `json:"collection"` // such as Mashups
	XML        string `json:"xml"`        // the element
}
