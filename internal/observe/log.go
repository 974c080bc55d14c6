// Package observe is what the connector tells about itself: its log, with the newest lines kept, and the one list of its
// metrics.
package observe

import (
	"fmt"
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes to w. The format is "text" or "json", the level "debug",
// "info", "warn" or "error" (in any case); anything else is an error.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log format %q: want text or json", format)
}
