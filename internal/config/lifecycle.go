package config

// Lifecycle says what becomes of Things as their devices come and go. What the hub tells of that is told the platform in any
// case.
type Lifecycle struct {
	OnCreate OnCreate `yaml:"onCreate"` // a device was made at the hub; default tell
	OnDelete OnDelete `yaml:"onDelete"` // it was deleted; default tell
	OnMoved  OnMoved  `yaml:"onMoved"`  // it speaks through another hub than that of its Thing; default refuse
	// OnNoDevice says what is done when the platform asks something of a Thing whose device the hub does not have; default refuse.
	OnNoDevice OnNoDevice `yaml:"onNoDevice"`
	// Rules give Things that are made their templates, as those of azx import; without one that fits it is AzureIotThing.
	Rules []string `yaml:"rules"`
	// Declare gives Things that are made remote properties for what their device has reported or, if that is why they are made, sent.
	Declare Switch `yaml:"declare"`
}

// OnCreate says what is done when a device was made.
type OnCreate string

// What may be done.
const (
	CreatedTell   OnCreate = "tell"   // nothing
	CreatedCreate OnCreate = "create" // its Thing is made, or enabled
)

// OnDelete says what is done when a device was deleted.
type OnDelete string

// What may be done.
const (
	DeletedTell    OnDelete = "tell"    // nothing
	DeletedDisable OnDelete = "disable" // its Thing is disabled
)

// OnMoved says what is done with the Thing of a device that is at another hub now.
type OnMoved string

// What may be done.
const (
	MovedRefuse OnMoved = "refuse" // nothing: its messages are refused
	MovedAdopt  OnMoved = "adopt"  // it becomes the Thing of the other hub, once its own has the device no more
)

// OnNoDevice says what is done with a request for a device that the hub does not have.
type OnNoDevice string

// What may be done.
const (
	NoDeviceRefuse OnNoDevice = "refuse" // the request is refused
	NoDeviceCreate OnNoDevice = "create" // the device is made, and the request carried out
)

// Makes reports whether Things are made of devices.
func (h *Hub) Makes() bool {
	return h.OnUnknownThing == UnknownCreate || h.Lifecycle.OnCreate == CreatedCreate
}

// Follows reports whether something is done to Things as devices come and go.
func (h *Hub) Follows() bool {
	return h.Makes() || h.Lifecycle.OnDelete == DeletedDisable || h.Lifecycle.OnMoved == MovedAdopt || h.Lifecycle.OnNoDevice == NoDeviceCreate
}
