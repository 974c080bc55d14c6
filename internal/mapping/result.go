package mapping

import (
	"encoding/json"
	"fmt"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/message"
)

// Result makes the value of a service's result from the JSON text that the device answered: of the declared base type
// and columns, by the same rules as telemetry. No text and null are NOTHING, and so is any answer where NOTHING is
// declared. The error names what was got and wanted, and the column if it is in a table.
func Result(raw json.RawMessage, s Service) (infotable.Value, error) {
	if s.Result == infotable.TypeNothing || len(strings.TrimSpace(string(raw))) == 0 {
		return infotable.Nothing(), nil
	}
	if len(raw) > maxText {
		return infotable.Nothing(), errTooLong
	}
	r, err := decode.Value(raw)
	switch {
	case err != nil:
		return infotable.Nothing(), err
	case r.Kind == message.Null:
		return infotable.Nothing(), nil
	case s.Result == infotable.TypeInfotable && len(s.Fields) > 0:
		return tableOf(r, s.Fields)
	}
	return Convert(r, s.Result)
}

// tableOf makes an INFOTABLE with known columns; members of rows that are none of them are left out.
func tableOf(r message.Reading, fields []infotable.Field) (infotable.Value, error) {
	rows, _, err := rowsOf(r)
	if err != nil {
		return infotable.Nothing(), err
	}
	for _, f := range fields {
		if !f.Type.OnWire() {
			return infotable.Nothing(), fmt.Errorf("column %s: values of base type %s cannot be written", quoted(f.Name), f.Type)
		}
	}
	return fill(fields, rows)
}
