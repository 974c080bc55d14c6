package devices

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
)

// Telemetry is the body of a simulated device's message: JSON with sequence (from 1), temperature (°C), pressure (bar),
// running and label. It follows from device and sequence alone, so that every value can be checked at the other end.
func Telemetry(device string, sequence int64) []byte {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(device))
	phase := float64(sum.Sum32()%628) / 100
	t := float64(sequence)
	running := (sequence+int64(sum.Sum32()%60))%60 >= 6 // stands still a tenth of the time
	temperature := 21 + 4*math.Sin(t/30+phase) + 0.3*math.Sin(t*1.7)
	pressure := 0.0
	label := "stopped"
	if running {
		pressure = 6.2 + 0.4*math.Cos(t/12+phase)
		label = "running at " + decimal(pressure) + " bar"
	}
	b := append([]byte(`{"sequence":`), strconv.FormatInt(sequence, 10)...)
	b = append(b, `,"temperature":`+decimal(temperature)+`,"pressure":`+decimal(pressure)...)
	return append(b, `,"running":`+strconv.FormatBool(running)+`,"label":"`+label+`"}`...)
}

func decimal(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }

// ParseBody checks that a message given by a person is JSON, so that a missing quote does not go unnoticed.
func ParseBody(text string) ([]byte, error) {
	if !json.Valid([]byte(text)) {
		return nil, fmt.Errorf("message %q is not JSON; in a shell put single quotes around it: '{\"temperature\":21.5}'", text)
	}
	return []byte(text), nil
}
