package importer

import (
	"slices"
	"strconv"
	"strings"

	"azx/extension/entity"
)

// version reads major.minor.patch; parts that are missing are 0, and what stands behind a hyphen is a build.
func version(text string) ([4]int, bool) {
	var v [4]int
	text, _, _ = strings.Cut(text, "-")
	parts := strings.Split(text, ".")
	if len(parts) > len(v) {
		return v, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 1e6 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// Older reports whether version a comes before b; what is no version comes first.
func Older(a, b string) bool { return older(a, b) }

// older reports whether a comes before b; both must be versions.
func older(a, b string) bool {
	x, _ := version(a)
	y, _ := version(b)
	return slices.Compare(x[:], y[:]) < 0
}

// checkPackage looks at the metadata.
func (c *checker) checkPackage() {
	info := c.p.Info
	if info.Name == "" && info.Version == "" {
		return // a loose export
	}
	refuse := func(format string, args ...any) { c.at(info.Pos, Refuses, nil, format, args...) }
	if info.Name == "" {
		refuse("the package has no name")
	}
	if _, ok := version(info.Version); !ok {
		refuse("packageVersion is %q, expected major.minor.patch such as 1.0.0", info.Version)
		return
	}
	if _, ok := version(info.MinimumVersion); !ok && info.MinimumVersion != "" {
		refuse("minimumThingWorxVersion is %q, expected major.minor.patch such as 9.3.0", info.MinimumVersion)
	} else if have := c.known.PlatformVersion(); older(have, info.MinimumVersion) && info.MinimumVersion != "" {
		refuse("the package needs ThingWorx %s, and this platform is %s", info.MinimumVersion, have)
	}
	if have, ok := c.known.Package(info.Name); ok && older(info.Version, have) {
		refuse("version %s of %s is installed; delete that package if you want the older %s", have, info.Name, info.Version)
	}
	for _, d := range info.DependsOn {
		c.checkDependency(d)
	}
}

func (c *checker) checkDependency(d entity.Dependency) {
	pos := c.p.Info.Pos
	have, ok := c.known.Package(d.Name)
	switch _, valid := version(d.Version); {
	case !valid:
		c.at(pos, Refuses, nil, "dependsOn names version %q of %s, expected major.minor.patch", d.Version, d.Name)
	case d.Name == c.p.Info.Name:
		c.at(pos, Refuses, nil, "the package depends on itself")
	case !ok:
		c.at(pos, Refuses, nil, "the package depends on %s %s, which is not installed; import it first, or both in one bundle", d.Name, d.Version)
	case older(have, d.Version):
		c.at(pos, Refuses, nil, "the package depends on %s %s, and version %s is installed", d.Name, d.Version, have)
	}
}
