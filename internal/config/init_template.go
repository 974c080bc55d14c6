package config

import "text/template"

// initTemplate is the file that Init writes, from initValues.
var initTemplate = template.Must(template.New("azx.yaml").Funcs(template.FuncMap{"quote": quote}).Parse(
	`# yaml-language-server: $schema=azx.schema.json
# Configuration of the azx connector, made by: azx config init
# Check it with: azx validate -c azx.yaml      Start with: azx run -c azx.yaml
# Relative paths start at the folder of this file. Unknown keys are errors.

name: azx-1                    # the connector Thing

platform:
  urls:
    - {{quote .URL}}
  appKey: {{quote .AppKey}}   # tried before it is used, so the key may be replaced in its file

hubs:
{{- if .HubThing}}
  - thing: {{quote .HubThing}}   # the hub Thing
{{- else}}
  - thing: LocalHub            # the hub Thing
{{- end}}
{{- if .Connection}}
    connectionString: {{quote .Connection}}
{{- end}}
    consumerGroup: azx
    start: earliest            # where to begin without a checkpoint: earliest, latest or a time
{{- if .CA}}
    caFile: {{quote .CA}}
{{- end}}
{{- if or .AMQPS .HTTPS}}
    endpoints:                 # dial here; names in certificates and tokens stay the hub's
{{- if .AMQPS}}
      amqps: {{quote .AMQPS}}
{{- end}}
{{- if .HTTPS}}
      https: {{quote .HTTPS}}
{{- end}}
{{- end}}
{{- if .HubThing}}
    extensions: azx            # what is installed on the platform: azx, other or none
{{- else}}
    extensions: none           # what is installed on the platform: azx, other or none
    allowThings: ["*"]         # which Things the devices of this hub may write to
{{- end}}
    onUnknownThing: keep       # a device without a Thing: keep, skip or quarantine its messages
{{- if .Local}}
    tier: S3                   # edition of the hub: its quotas space what is sent to devices; the local hub has none
{{- end}}

checkpoint:
  file: azx-data/checkpoints   # how far each partition has come

quarantine:
  dir: azx-data/quarantine     # messages that cannot be delivered, with their original bytes

admin:
  listen: 127.0.0.1:9464       # /livez /readyz /status /metrics, azx reload; loopback only
`))
