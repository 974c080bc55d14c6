//go:build !connector

package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"azx/extension"
	"azx/extension/verify"
	"azx/internal/local/thingworx/importer"
	"azx/internal/secret"
)

// verifyFlags are those of azx extension verify.
type verifyFlags struct {
	url, appKey, ca string
	packages        []string
	json            bool
}

func extensionVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify --url URL --appKey KEY",
		Short: "Read the packages back from a platform, and list what is missing there",
		Long: `Read every entity of the packages back from a platform over REST, and list what is missing or different: properties,
services with their parameters, configuration tables with their columns, events, permissions, subscriptions, remote
bindings, and scripts that the platform's own parser does not take. A platform may drop things when it imports without
saying so. What people have added to the entities is no difference.

The user of the application key must be allowed to read the entities (Administrators are). The key is better not on the
command line: --appKey '${env:NAME}' or --appKey '${file:/path}' reads it from there, and without --appKey it is read
from the variable THINGWORX_APPKEY. Without --url the variable THINGWORX_SERVER is used.

Ends with 0 if everything is there, with 5 if not, and with 4 if the platform cannot be asked.`,
		Example: `  azx extension verify --url https://thingworx.example.com/Thingworx --appKey '${file:/etc/azx/app-key}'`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runVerify(cmd, f) },
	}
	cmd.Flags().StringVar(&f.url, "url", "", "the platform, such as https://thingworx.example.com/Thingworx")
	cmd.Flags().StringVar(&f.appKey, "appKey", "", "application key, or ${env:NAME}, or ${file:/path}")
	cmd.Flags().StringVar(&f.ca, "ca", "", "PEM file of more certificates to trust")
	cmd.Flags().StringArrayVar(&f.packages, "package", nil, "zip of a package to look for instead of the two of azx; may be given several times")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	return cmd
}

func runVerify(cmd *cobra.Command, f verifyFlags) error {
	packages, err := packagesToVerify(f.packages)
	if err != nil {
		return err
	}
	client, err := f.client()
	if err != nil {
		return usage(err)
	}
	defer client.Close()
	report, err := verify.Verify(cmd.Context(), client, packages)
	var access *verify.AccessError
	switch {
	case errors.As(err, &access):
		return unreachable(err)
	case err != nil:
		return err
	case f.json:
		err = printJSON(cmd.OutOrStdout(), report)
	default:
		err = printReport(cmd.OutOrStdout(), packages, report)
	}
	if err == nil && len(report.Losses) > 0 {
		err = partial(fmt.Errorf("%d things are missing or different", len(report.Losses)))
	}
	return err
}

// packagesToVerify reads the zips, or gives azx's own packages if there are none.
func packagesToVerify(files []string) (found []verify.Package, err error) {
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, usage(fmt.Errorf("read a package: %w", err))
		}
		read, err := importer.Read(data)
		if err != nil {
			return nil, &exitError{exitConfig, fmt.Errorf("read package %s: %w", name, err)}
		}
		for _, p := range read {
			found = append(found, verify.Package{Info: p.Info, Set: &p.Set})
		}
	}
	if len(files) > 0 {
		return found, nil
	}
	sources, err := extension.Packages()
	for _, s := range sources {
		found = append(found, verify.Package{Info: s.Info, Set: &s.Set})
	}
	return found, err
}

func (f verifyFlags) client() (*verify.Client, error) {
	if f.url == "" {
		f.url = os.Getenv("THINGWORX_SERVER")
	}
	if f.appKey == "" {
		f.appKey = "${env:THINGWORX_APPKEY}"
	}
	source, err := secret.Parse(f.appKey, ".")
	if err != nil {
		return nil, fmt.Errorf("--appKey: %w", err)
	}
	key, err := source.Value()
	if err != nil {
		return nil, fmt.Errorf("--appKey: %w", err)
	}
	o := verify.Options{URL: f.url, AppKey: key}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		if o.Roots, err = x509.SystemCertPool(); err != nil {
			o.Roots = x509.NewCertPool()
		}
		if !o.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: %s has no certificate in it", f.ca)
		}
	}
	return verify.NewClient(o)
}

func printReport(w io.Writer, packages []verify.Package, r *verify.Report) error {
	for _, p := range packages {
		fmt.Fprintf(w, "%s %s\n", p.Info.Name, p.Info.Version)
	}
	for _, loss := range r.Losses {
		fmt.Fprintln(w, loss)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, "note:", note)
	}
	end := "everything is there"
	if len(r.Losses) > 0 {
		end = fmt.Sprintf("%d things are missing or different", len(r.Losses))
	}
	_, err := fmt.Fprintf(w, "%d entities and %d scripts looked at: %s\n", r.Entities, r.Scripts, end)
	return err
}
