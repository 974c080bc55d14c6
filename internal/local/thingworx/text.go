package thingworx

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/tablejson"
)

// parseText reads a value as XML has it: texts as they are, times as ISO 8601 or milliseconds, tables as JSON.
func parseText(t infotable.BaseType, text string) (infotable.Value, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case t == tJSON || t == tQuery:
		return fitJSON(t, infotable.String(trimmed))
	case t.IsText():
		return infotable.Text(t, text), nil
	case t == tNumber || t == infotable.TypeLong || t == tInteger:
		return parseNumber(t, trimmed)
	case t == tBoolean:
		switch strings.ToLower(trimmed) {
		case "true":
			return infotable.Boolean(true), nil
		case "false":
			return infotable.Boolean(false), nil
		}
	case t == tDateTime:
		return parseTime(trimmed)
	case t == infotable.TypeBlob || t == infotable.TypeImage:
		if raw, err := base64.StdEncoding.DecodeString(trimmed); err == nil {
			if t == infotable.TypeImage {
				return infotable.Image(raw), nil
			}
			return infotable.Blob(raw), nil
		}
	case t == tTable || t == infotable.TypeLocation:
		if v, err := tablejson.DecodeValue(t, []byte(trimmed)); err == nil {
			return v, nil
		}
		return parseLocation(t, trimmed)
	case t == infotable.TypeVariant:
		return infotable.Variant(infotable.String(text)), nil
	}
	return infotable.Nothing(), Refuse(Invalid, "expected %s, got %q", t, shorten(trimmed))
}

func parseNumber(t infotable.BaseType, text string) (infotable.Value, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && t != tNumber {
		return fitNumber(t, infotable.Long(i))
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return infotable.Nothing(), Refuse(Invalid, "expected %s, got %q", t, shorten(text))
	}
	return fitNumber(t, infotable.Number(f))
}

func parseTime(text string) (infotable.Value, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return infotable.DateTime(ms), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.000Z0700", "2006-01-02 15:04:05.000", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			return infotable.DateTime(at.UnixMilli()), nil
		}
	}
	return infotable.Nothing(), Refuse(Invalid, "expected DATETIME, got %q", shorten(text))
}

// parseLocation reads "latitude,longitude,elevation" (read: as exports have it); any other type is no location.
func parseLocation(t infotable.BaseType, text string) (infotable.Value, error) {
	parts := strings.Split(text, ",")
	var at [3]float64
	ok := t == infotable.TypeLocation && len(parts) >= 2 && len(parts) <= 3
	for i := range parts {
		if !ok {
			break
		}
		var err error
		at[i], err = strconv.ParseFloat(strings.TrimSpace(parts[i]), 64)
		ok = err == nil
	}
	if !ok {
		return infotable.Nothing(), Refuse(Invalid, "expected %s, got %q", t, shorten(text))
	}
	return infotable.Location(infotable.Coordinates{Latitude: at[0], Longitude: at[1], Elevation: at[2]}), nil
}

// formatText is the inverse of parseText; NOTHING is "".
func formatText(v infotable.Value) (string, error) {
	v = v.Unwrap()
	switch t := v.Type(); {
	case v.IsNothing():
		return "", nil
	case t.IsText():
		s, _ := v.Text()
		return s, nil
	case t == tDateTime:
		ms, _ := v.Millis()
		return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"), nil
	}
	raw, err := tablejson.AppendValue(nil, v)
	if err != nil {
		return "", err
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	return string(raw), nil
}
