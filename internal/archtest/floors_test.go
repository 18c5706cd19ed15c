package archtest

import (
	"path"
	"slices"
	"strings"
)

// module is what every import of ours begins with.
const module = "github.com/skylift/skylift/"

// A floor says which of our packages those at a place may import, beside those
// of their own family. A name stands for the packages below it, too.
type floor struct {
	place string // a "*" stands for one element
	may   []string
}

var (
	small      = []string{"internal/arn", "internal/awserr", "internal/caller", "internal/id", "internal/policy", "internal/sigv4"}
	mechanisms = []string{"internal/engine", "internal/vpc", "internal/edge", "internal/registry", "internal/dns", "internal/logstore", "internal/tsdb"}
	handlers   = append(slices.Clone(small), "internal/handler", "internal/seal", "internal/store", "internal/wire")
	loops      = slices.Concat(handlers, mechanisms, []string{"internal/reconcile", "internal/attach", "internal/limit"})
)

// floors is the whole tree, from the top. The first place that fits a package is
// its own. A package that fits none is a problem.
var floors = []floor{
	{"cmd/skylift", []string{"internal/cli", "internal/engine/containerd/output"}}, // the latter is another program in the same file
	{"internal/cli", []string{"internal/atomicfile", "internal/daemon", "internal/credential", "internal/gateway/denial", "internal/instance", "internal/projection/status", "internal/projection/why", "internal/wire/onepiece"}},
	{"internal/daemon", []string{"internal"}},

	{"internal/gateway", append(slices.Clone(small), "internal/wire", "internal/limit")},
	{"internal/service/ecs/place", nil},
	{"internal/service/ec2/*", handlers}, // by noun
	{"internal/service/elbv2/attach", loops},
	{"internal/service/elbv2/health", loops},
	{"internal/service/elbv2/logs", append(slices.Clone(loops), "internal/atomicfile")},
	{"internal/service/elbv2/*", handlers}, // by noun
	{"internal/service/ecs/definition", nil},
	{"internal/service/ecs/deploy/plan", nil},
	{"internal/service/ecs/run/order", []string{"internal/engine"}},
	{"internal/service/ecs/api", handlers},
	{"internal/service/ecs/history", handlers},
	{"internal/service/route53/checks", loops},
	{"internal/service/route53", append(slices.Clone(handlers), "internal/dns/rdata")}, // its values are what the name server sends
	{"internal/service/s3/expire", append(slices.Clone(loops), "internal/blob")},
	{"internal/service/s3", append(slices.Clone(handlers), "internal/blob")}, // so are an object's bytes
	{"internal/service/*/*", loops},
	{"internal/service/ecr", append(slices.Clone(handlers), "internal/registry")},  // its records are what the registry serves
	{"internal/service/logs", append(slices.Clone(handlers), "internal/logstore")}, // events are no records
	{"internal/service/*", handlers},
	{"internal/projection/*", slices.Concat(handlers, mechanisms, []string{"internal/service"})},
	{"internal/attach", []string{"internal/store", "internal/reconcile"}},
	{"internal/reconcile", []string{"internal/store"}},

	{"internal/blob", []string{"internal/atomicfile", "internal/id"}},
	{"internal/engine", nil},
	{"internal/vpc", nil},
	{"internal/edge", []string{"internal/limit"}},
	{"internal/registry", []string{"internal/limit", "internal/atomicfile"}},
	{"internal/dns", []string{"internal/limit"}},
	{"internal/logstore", nil},
	{"internal/tsdb", nil},
	{"internal/disk", nil},

	{"internal/handler", []string{"internal/awserr", "internal/store"}},
	{"internal/seal", []string{"internal/atomicfile", "internal/store"}},
	{"internal/store", nil},
	{"internal/wire", []string{"internal/awserr", "internal/arn"}},
	{"internal/credential", []string{"internal/atomicfile", "internal/caller"}},
	{"internal/instance", []string{"internal/atomicfile", "internal/id"}},
	{"internal/arn", nil},
	{"internal/atomicfile", nil},
	{"internal/awserr", nil},
	{"internal/caller", nil},
	{"internal/id", nil},
	{"internal/limit", nil},
	{"internal/policy", nil},
	{"internal/sigv4", nil},

	{"internal/archtest", nil},
	{"examples/*", nil},
	{"test/bench/simulated", []string{"internal"}}, // the program on a host that isn't there
	{"test/*", nil},                                // the program from outside
}

// libraries names, for imports that are not ours, the only packages that may have
// them, with those below.
var libraries = map[string][]string{
	"github.com/alecthomas/kong":           {"internal/cli"},
	"github.com/aws/aws-sdk-go-v2":         {"internal/service", "internal/projection", "internal/wire", "internal/gateway", "internal/daemon", "internal/cli", "test"},
	"github.com/aws/smithy-go":             {"internal/service", "internal/wire", "internal/gateway", "internal/daemon", "internal/awserr", "test"},
	"github.com/cockroachdb/pebble":        {"internal/logstore"},
	"github.com/containerd/":               {"internal/engine/containerd", "internal/engine/docker", "internal/registry/upstream"},
	"github.com/coreos/go-systemd":         {"internal/engine/cgroup"},
	"github.com/distribution/distribution": {"internal/registry"},
	"github.com/fxamacker/":                {"internal/wire/rpccbor"},
	"github.com/go-jose/":                  {"internal/service/sts/oidc"},
	"github.com/godbus/":                   {"internal/engine/cgroup"},
	"github.com/google/nftables":           {"internal/vpc"},
	"github.com/hanwen/":                   {"internal/service/efs/volumes"},
	"github.com/klauspost/compress":        {"internal/service/ecr/scan/inventory"},
	"github.com/miekg/dns":                 {"internal/dns", "internal/projection/zones", "test"},
	"github.com/moby/moby/":                {"internal/engine/docker"},
	"github.com/moby/sys/user":             {"internal/engine/identity"},
	"github.com/pandatix/":                 {"internal/service/ecr/scan/osv"},
	"github.com/vishvananda/":              {"internal/vpc"},
	"golang.org/x/crypto/":                 {"internal/seal", "internal/service/iam/users"},
	"golang.org/x/term":                    {"internal/cli"},
	"go.etcd.io/":                          {"internal/store/etcdstore"},
}

// effects are the packages that a handler never uses: it reads and writes records.
var effects = []string{"io/ioutil", "net/http", "os", "os/exec", "syscall"}

// handles tells whether the packages of a service on f are handlers and records: they are no loops.
func (f floor) handles() bool { return !slices.Contains(f.may, "internal/reconcile") }

// family returns the part of the tree whose packages may import each other as
// they like: a service, a projection, or else a directory of internal.
func family(pkg string) string {
	n := 2
	if strings.HasPrefix(pkg, "internal/service/") || strings.HasPrefix(pkg, "internal/projection/") {
		n = 3
	}
	return first(pkg, n)
}

// first returns the first n elements of a path.
func first(name string, n int) string {
	elements := strings.Split(name, "/")
	return strings.Join(elements[:min(n, len(elements))], "/")
}

// floorOf returns the floor that a package stands on.
func floorOf(pkg string) (floor, bool) {
	for _, f := range floors {
		if fits, _ := path.Match(f.place, first(pkg, 1+strings.Count(f.place, "/"))); fits {
			return f, true
		}
	}
	return floor{}, false
}

// below tells whether name is the place, or stands below it.
func below(name, place string) bool {
	return name == place || strings.HasPrefix(name, strings.TrimSuffix(place, "/")+"/")
}

func belowAny(name string, places []string) bool {
	return slices.ContainsFunc(places, func(p string) bool { return below(name, p) })
}
