package mapping

import (
	"time"

	"azx/alwayson/infotable"
)

// Service is a remote service of a Thing, as the platform declares it.
type Service struct {
	EdgeName string             // remote name: the direct method's, "module::method" for a module's
	Result   infotable.BaseType // NOTHING for no result; VARIANT where it is not known: the JSON type then decides
	Fields   []infotable.Field  // columns of an INFOTABLE result; nil where they are not known
	Timeout  time.Duration      // how long the platform waits for the answer; 0 where it is not known
}
