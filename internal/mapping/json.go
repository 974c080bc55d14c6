package mapping

import (
	"encoding/json"

	"azx/alwayson/infotable"
)

// AppendJSON appends a value as devices get it: the way back of Convert.
func AppendJSON(dst []byte, v infotable.Value) ([]byte, error) { return dst, nil }

// Params makes the JSON object of a service's parameters; nil for none.
func Params(t *infotable.Table) (json.RawMessage, error) { return nil, nil }

// Result makes the value of a service's result from JSON text.
func Result(raw json.RawMessage, s Service) (infotable.Value, error) { return infotable.Value{}, nil }
