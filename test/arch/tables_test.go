package arch

// module is the path of the module under test.
const module = "azx"

// layer says what the packages at and below a path may import besides the standard library and what
// is below the same path. The entry with the longest path that fits a package is the one that counts.
type layer struct {
	path       string
	may        []string // packages of this module; a trailing /... means all below
	thirdParty []string // modules
	reason     string
}

// Groups of packages, as the layers name them.
var (
	domain = []string{"alwayson/infotable", "internal/message", "internal/delivery", "internal/decode",
		"internal/mapping", "internal/fault"}
	protocols = []string{"alwayson", "alwayson/infotable", "internal/amqp10"}
	edges     = []string{"internal/hub", "internal/checkpoint", "internal/platform", "internal/iothub", "internal/blob",
		"internal/quarantine", "internal/entra", "internal/vault"}
	flows     = []string{"internal/ingress", "internal/egress", "internal/devices", "internal/adapter", "internal/lease"}
	operation = []string{"internal/access", "internal/dial", "internal/config", "internal/secret", "internal/supervise", "internal/observe", "internal/admin", "internal/diagnose", "internal/tail"}

	forEdges = join(domain, protocols, []string{"internal/access", "internal/dial", "internal/secret", "internal/observe", "internal/supervise", "internal/folder"})
	forFlows = join(domain, []string{"internal/observe", "internal/supervise"})
	forLocal = join(protocols, []string{"internal/message", "extension", "extension/entity", "internal/supervise", "internal/folder", "internal/local/..."})
)

// layers is the list of all places for code. A package that fits none is refused: put it into the
// layer it belongs to, or add it here with its reason.
var layers = []layer{
	{"alwayson/infotable", nil, nil, "base types and tables: pure, a library for anybody"},
	{"alwayson", []string{"alwayson/infotable"}, []string{"github.com/gobwas/ws"}, "a public library: depends on nothing of the connector"},
	{"extension", nil, []string{"github.com/dop251/goja"}, "sources of the two packages and their builder, which parses their scripts"},
	{"internal/amqp10", nil, nil, "a protocol: depends on nothing of the connector"},

	{"internal/message", domain, nil, "domain: pure"},
	{"internal/delivery", domain, nil, "domain: pure"},
	{"internal/decode", domain, nil, "domain: pure"},
	{"internal/mapping", domain, nil, "domain: pure"},
	{"internal/fault", domain, nil, "domain: pure"},

	{"internal/access", []string{"internal/fault", "internal/secret"}, nil,
		"connection strings and tokens, needed by both edges that speak to a hub, which may not import each other"},
	{"internal/dial", []string{"internal/fault", "internal/secret"}, []string{"github.com/gobwas/ws", "golang.org/x/net"},
		"how other systems are reached, needed by all edges that speak to one"},
	{"internal/hub", forEdges, []string{"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2", "github.com/Azure/go-amqp"},
		"edge: the event side of a hub, read with Microsoft's own client"},
	{"internal/folder", nil, []string{"golang.org/x/sys"}, "a folder with a lock that holds across processes: used wherever something is kept on disk"},
	{"internal/checkpoint", forEdges, []string{"github.com/Azure/azure-sdk-for-go/sdk/azcore", "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"},
		"edge: where checkpoints are kept"},
	{"internal/platform", forEdges, nil, "edge: ThingWorx, through alwayson alone"},
	{"internal/iothub", forEdges, []string{"github.com/Azure/go-amqp"}, "edge: the service side of a hub"},
	{"internal/blob", forEdges, nil, "edge: storage containers; a signed one takes plain requests"},
	{"internal/entra", []string{"internal/dial", "internal/fault", "internal/secret"},
		[]string{"github.com/Azure/azure-sdk-for-go/sdk/azcore", "github.com/Azure/azure-sdk-for-go/sdk/azidentity"},
		"edge: who the connector is for Azure; Microsoft's own library signs in"},
	{"internal/vault", []string{"internal/dial", "internal/fault", "internal/secret"},
		[]string{"github.com/Azure/azure-sdk-for-go/sdk/azcore", "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"},
		"edge: secrets of Azure Key Vaults, read with Microsoft's own client"},
	{"internal/quarantine", forEdges, nil, "edge: messages put aside, on disk"},

	{"internal/ingress", forFlows, []string{"golang.org/x/sync"}, "flow: declares the interfaces it needs; the budget is a semaphore"},
	{"internal/egress", forFlows, []string{"golang.org/x/sync"}, "flow: declares the interfaces it needs"},
	{"internal/devices", join(forFlows, []string{"internal/folder"}), nil, "flow: declares the interfaces it needs; an import keeps its place in a file"},
	{"internal/devices/presence", domain, nil, "domain: whether devices are alive, from signs that somebody else hands over"},
	{"internal/adapter", forFlows, nil, "flow: the connector as a Thing; declares the interfaces it needs"},
	{"internal/lease", forFlows, nil, "flow: who reads which partition; declares the store it needs"},

	{"internal/secret", nil, nil, "operation: used by edges, so it depends on nothing"},
	{"internal/hocon", nil, nil, "a format that others' files have: no library at hand reads it strictly, so it depends on nothing"},
	{"internal/supervise", nil, nil, "operation: used everywhere, so it depends on nothing"},
	{"internal/config", []string{"internal/access", "internal/dial", "internal/fault", "internal/hocon", "internal/secret"}, []string{"go.yaml.in/yaml/v4"}, "operation: YAML nodes have line numbers"},
	{"internal/observe", join(domain, []string{"alwayson"}), []string{"github.com/prometheus/client_golang"},
		"operation: counts by the results of delivery and the codes of alwayson"},
	{"internal/tail", nil, nil, "operation: lines for whoever watches, bounded; the admin surface hands them out"},
	{"internal/diagnose", []string{"internal/fault"}, nil, "operation: runs checks that somebody else lists"},
	{"internal/admin", join(domain, []string{"internal/supervise", "internal/observe", "internal/tail"}), nil, "operation: shows accounts and metrics"},

	{"internal/app", join(domain, protocols, edges, flows, operation, []string{"internal/devices/presence", "internal/folder"}), nil, "the composition root of the connector"},
	{"internal/local", forLocal, nil, "local stand-ins share only protocol libraries with the connector: a mistake must not cancel out"},
	{"internal/local/devices", forLocal, []string{"github.com/eclipse/paho.mqtt.golang"}, "simulated devices speak MQTT with a client nobody here wrote"},
	{"internal/local/iothub", forLocal, []string{"go.etcd.io/bbolt"}, "the local hub's core has no protocol"},
	{"internal/local/iothub/mqtt", forLocal, []string{"github.com/mochi-mqtt/server/v2"}, "the local hub's MQTT front"},
	{"internal/local/iothub/websocket", forLocal, []string{"github.com/gobwas/ws"}, "the local hub's fronts over WebSocket"},
	{"internal/local/thingworx/script", forLocal, []string{"github.com/dop251/goja"}, "the local platform's script services"},
	{"internal/local/thingworx/importer", []string{"extension/entity", "alwayson/infotable"}, nil, "reads packages and says what is wrong with them: pure"},
	{"internal/local/thingworx", forLocal, nil, "the local platform's core has no protocol"},
	{"internal/local/dbfile", []string{"internal/folder"}, []string{"go.etcd.io/bbolt"}, "database files that are checked before they are trusted"},
	{"internal/local/thingworx/store", []string{"internal/local/dbfile"}, []string{"go.etcd.io/bbolt"}, "the local platform's state on disk"},
	{"internal/local/thingworx/history", []string{"alwayson/infotable", "internal/local/dbfile"}, []string{"go.etcd.io/bbolt"}, "the local platform's value streams"},
	{"internal/local/thingworx/security", []string{"extension/entity"}, nil, "who may do what on the local platform: pure"},
	{"internal/local/thingworx/alwayson", forLocal, []string{"github.com/gobwas/ws"}, "the local platform's AlwaysOn front"},
	{"internal/demo", join([]string{"internal/app", "internal/config", "internal/supervise", "internal/local/...", "alwayson/infotable"}), nil,
		"app and local together, with a configuration made in memory"},

	{"cmd", []string{"internal/app", "internal/config", "internal/demo", "internal/diagnose", "internal/fault", "internal/observe", "internal/secret", "internal/tail", "extension/...", "internal/local/..."},
		[]string{"github.com/spf13/cobra"}, "verbs parse flags, call a package, print; the log is made where its flags are"},
	{"test/bench", join(domain, protocols, []string{"internal/supervise", "internal/checkpoint", "internal/local/..."}),
		[]string{"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2", "github.com/Azure/go-amqp", "github.com/gobwas/ws", "golang.org/x/sys"},
		"the bench's source and sink speak the protocols themselves, with less work than the stand-ins; its yardsticks are other clients"},
	{"test/rig", []string{"alwayson", "internal/supervise", "internal/local/...", "test/azurite", "test/process"},
		[]string{"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2", "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob", "github.com/gobwas/ws"},
		"what fault cases stand on: it reads the hub, and the container, with clients nobody here wrote; it knows what a reply is, to double it"},
	{"test", []string{"internal/supervise", "internal/local/..."}, []string{"go.yaml.in/yaml/v4"}, "tests of the built binary: they see what its users see"},
}

// pure lists the packages that do no I/O, and impure what they therefore do not import.
var (
	pure   = join(domain, []string{"internal/devices/presence", "internal/local/thingworx/security"})
	impure = []string{"os", "os/exec", "io/fs", "net", "net/http", "net/url", "log", "log/slog", "syscall", "database/sql"}
)

// Budgets of code that is not a test.
const (
	fileP90      = 350  // lines that nine of ten files keep to
	fileMost     = 600  // lines that no file exceeds
	functionP90  = 30   // lines that nine of ten functions keep to
	functionLong = 80   // lines from which a function is long
	longShare    = 0.01 // share of functions that may be long
	mainMost     = 40   // lines of a main.go
	documented   = 0.99 // share of exported names with a comment
)

// leakFree are packages that start goroutines and whose tests do not look for leaks with goleak, and why.
var leakFree = map[string]string{
	"internal/checkpoint/storetest": "the suite of stores: it waits for its goroutines, and the packages that run it look for those of the stores",
	"internal/demo":                 "runs as a process of its own in test/e2e",
	"test/bench":                    "a command that measures and ends",
}

// goroutineFiles are the files outside tests that may start a goroutine themselves, and why.
var goroutineFiles = map[string]string{
	"internal/supervise/group.go": "the Group: everything else starts its goroutines with it",
	"alwayson/link.go":            "a connection's read and write loops, and the callbacks it waits for at its end",
	"alwayson/session.go":         "the control loop of a server's session, which waits for it",
	"alwayson/client.go":          "turns Close into the end of Run, and closes replaced sockets; Run waits for both",
	"alwayson/server.go":          "ends all sessions at once when the server stops, and waits",
	"internal/amqp10/server.go":   "a connection's write loop and its watch; the connection waits for both",
	"internal/amqp10/client.go":   "a client's read and write loops; Close waits for both",
	"internal/amqp10/session.go":  "one loop for each link, on the group of its connection",
}

// forbiddenPackages are names that say nothing.
var forbiddenPackages = []string{"common", "util", "utils", "types", "manager", "helper", "helpers", "misc", "shared"}

// initialisers are the functions that may make the value of a package-level variable: what they make is
// never changed.
var initialisers = map[string]bool{
	"errors.New": true, "fmt.Errorf": true, "regexp.MustCompile": true, "template.Must": true,
	"join": true, "must": true, "strings.NewReplacer": true, "base64.StdEncoding.Strict": true,
}

func join(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
