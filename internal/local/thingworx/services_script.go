package thingworx

import (
	"errors"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/script"
)

// scriptServices are those of ScriptServices (read): what the script run time says of code before anybody runs it.
func scriptServices() []*service {
	params := []Param{required("script", tString)}
	return []*service{
		native("CheckScript", "Whether a script can run", params, tTable, checkScriptService),
		native("CheckScriptWithLinesAndColumns", "Whether a script can run, and where not", params, tTable, checkScriptService),
	}
}

// checkScriptService answers one row; the columns are those that a client reads (read). Line and column count from 1.
func checkScriptService(_ *Platform, c *call) (infotable.Value, error) {
	table := infotable.New(infotable.Column("status", tBoolean), infotable.Column("lineNumber", tInteger),
		infotable.Column("columnNumber", tInteger), infotable.Column("message", tString))
	_, err := script.Compile("script", c.text("script"))
	var wrong *script.SyntaxError
	switch {
	case errors.As(err, &wrong):
		table.Add(infotable.Boolean(false), infotable.Integer(int32(wrong.Line)), infotable.Integer(int32(wrong.Column)), infotable.String(wrong.Reason))
	case err != nil:
		return nothing(), err
	default:
		table.Add(infotable.Boolean(true), nothing(), nothing(), infotable.String(""))
	}
	return infotable.FromTable(table), nil
}
