package osv

import (
	"regexp"
	"strings"

	"github.com/skylift/skylift/internal/service/ecr/scan/inventory"
	"github.com/skylift/skylift/internal/service/ecr/scan/version"
)

// ecosystemOf returns an ecosystem as it is called here, and the order of its versions; "" for one whose packages no inventory has.
// Ubuntu's names say whether a release has long support, and which are of Ubuntu Pro, whose fixes not everybody gets.
func ecosystemOf(name string) (string, version.Compare) {
	kind, release, _ := strings.Cut(name, ":")
	switch {
	case name == "Go":
		return name, version.Semver
	case kind == "Debian" && release != "":
		return name, version.Dpkg
	case kind == "Alpine" && release != "":
		return name, version.Apk
	case kind == "Ubuntu" && release != "" && !strings.HasPrefix(release, "Pro:"):
		return "Ubuntu:" + strings.TrimSuffix(release, ":LTS"), version.Dpkg
	}
	return "", nil
}

// alpineRelease is the form of a release's number; edge has a date, or what it is before, behind.
var alpineRelease = regexp.MustCompile(`^(\d+\.\d+)\.\d+$`)

// EcosystemOf is the one that has the packages of a system; "" when there is none.
func EcosystemOf(s inventory.System) string {
	switch {
	case s.ID == "debian" && s.Version != "":
		return "Debian:" + s.Version
	case s.ID == "ubuntu" && s.Version != "":
		return "Ubuntu:" + s.Version
	case s.ID == "alpine" && alpineRelease.MatchString(s.Version):
		return "Alpine:v" + alpineRelease.FindStringSubmatch(s.Version)[1]
	case s.ID == "alpine" && s.Version != "":
		return "Alpine:edge"
	}
	return ""
}
