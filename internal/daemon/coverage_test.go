package daemon

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

//go:generate go test -run ^TestCoveragePage$ -update .

var update = flag.Bool("update", false, "write the coverage page anew")

// coveragePage is made by this test, and says what the program says of itself.
const coveragePage = "../../docs/api-coverage.md"

// TestCoveragePage holds the page to the lists of operations, and to what the
// handlers refuse when they are asked.
func TestCoveragePage(t *testing.T) {
	t.Parallel()
	want := page(t)
	if *update {
		if err := os.WriteFile(coveragePage, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(coveragePage)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("docs/api-coverage.md is not what the program does: run make generate (-want +got)\n%s", d)
	}
}

// unplugged are the services with nothing behind them but records in memory:
// enough to list what they do, and to be refused by.
func unplugged(t *testing.T) map[string]part {
	t.Helper()
	m := &machine{
		Config: Config{DataDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)},
		ns:     arn.Namespace{Region: "us-west-2", Account: "123456789012"}, db: memstore.New(), ring: seal.NewKey(),
	}
	all, err := parts(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	byTitle := map[string]part{}
	for _, p := range all {
		byTitle[p.title] = p
	}
	return byTitle
}

// chapters is the order of the page: what people look for first.
var chapters = []string{"ECS", "ECR", "Elastic Load Balancing v2", "EC2", "EFS", "CloudWatch Logs", "IAM", "STS"}

func page(t *testing.T) []byte {
	services := unplugged(t)
	titles := slices.Clone(chapters)
	for _, title := range slices.Sorted(maps.Keys(services)) { // a new one has its chapter at once
		if !slices.Contains(chapters, title) {
			titles = append(titles, title)
		}
	}
	b := new(bytes.Buffer)
	fmt.Fprint(b, "# What Skylift has of the AWS APIs\n\n",
		"Made by `make generate` from the program itself, and held to it by a test. An operation that is not there is refused by its name, in the\n",
		"shape that the service's errors have. So is a parameter, at any depth: *refused* lists those that Skylift names and turns down when they say\n",
		"more than AWS's default does. *Kept* are wishes whose lack breaks no promise to anybody: they are accepted, stored and returned as they were\n",
		"said, and have no effect; `skylift status` and the audit line say which are in use. What is not listed is done, or refused as AWS refuses it\n",
		"(that is all that FARGATE lacks); a value that Skylift has not is refused by name, too. Nothing is accepted and silently ignored.\n\n",
		"An operation is *done*; or *refused*, because there is nothing that it could be about, and the page says why; or *not yet* there.\n\n",
		"| service | done | refused | not yet | of |\n|---|---|---|---|---|\n")
	var standings []standing
	for _, title := range titles {
		c := services[title]
		w, err := wire.NewService(c.name, c.operations...)
		if err != nil {
			t.Fatal(err)
		}
		s := stand(t, c, w)
		standings = append(standings, s)
		fmt.Fprintf(b, "| [%s](#%s) | %d | %d | %d | %d |\n", c.title, anchor(c.title), len(s.done), len(s.refused), len(s.notYet), len(s.done)+len(s.refused)+len(s.notYet))
	}
	for _, s := range standings {
		writeService(b, s)
	}
	return b.Bytes()
}

// reason is why operations are refused on purpose: those that the service
// answers with an error whatever they say, and those that it hasn't.
type reason struct {
	why string
	ops []string
}

// onPurpose are the operations that are refused on purpose, by service.
var onPurpose = map[string][]reason{"iam": {
	{"nobody signs in with a second factor: there are no MFA devices", []string{
		"CreateVirtualMFADevice", "DeactivateMFADevice", "DeleteVirtualMFADevice", "EnableMFADevice", "GetMFADevice", "ListMFADeviceTags", "ResyncMFADevice", "TagMFADevice", "UntagMFADevice",
	}},
	{"there is no service that they are for", []string{
		"CreateServiceSpecificCredential", "DeleteSSHPublicKey", "DeleteServiceSpecificCredential", "DeleteSigningCertificate", "GetSSHPublicKey", "ResetServiceSpecificCredential",
		"UpdateSSHPublicKey", "UpdateServiceSpecificCredential", "UpdateSigningCertificate", "UploadSSHPublicKey", "UploadSigningCertificate",
	}},
}, "ecs": {
	{"capacity providers are FARGATE and FARGATE_SPOT: there are no Auto Scaling groups and no managed instances", []string{
		"CreateCapacityProvider", "DeleteCapacityProvider", "UpdateCapacityProvider",
	}},
	{"daemons run on managed instances", []string{
		"CreateDaemon", "DeleteDaemon", "DeleteDaemonTaskDefinition", "DescribeDaemon", "DescribeDaemonDeployments", "DescribeDaemonRevisions",
		"DescribeDaemonTaskDefinition", "ListDaemonDeployments", "ListDaemonTaskDefinitions", "ListDaemons", "RegisterDaemonTaskDefinition", "UpdateDaemon",
	}},
	{"task sets are of the EXTERNAL and CODE_DEPLOY controllers; use ECS's", []string{
		"CreateTaskSet", "DeleteTaskSet", "DescribeTaskSets", "UpdateServicePrimaryTaskSet", "UpdateTaskSet",
	}},
	{"the agent of a container instance calls it, and there are none", []string{
		"DiscoverPollEndpoint", "RegisterContainerInstance", "SubmitAttachmentStateChanges", "SubmitContainerStateChange", "SubmitTaskStateChange",
	}},
}}

// standing is how the operations of a service stand.
type standing struct {
	part
	service      *wire.Service
	done, notYet []string
	refused      []string
	why          map[string]string
}

// stand sorts the operations of a service. What is refused on purpose is an
// operation that AWS has, and if there is a handler it takes nothing.
func stand(t *testing.T, c part, w *wire.Service) standing {
	s := standing{part: c, service: w, why: map[string]string{}}
	for _, r := range onPurpose[c.name] {
		for _, op := range r.ops {
			s.why[op] = r.why
		}
	}
	done, missing := w.Coverage()
	for _, op := range done {
		if s.why[op] == "" {
			s.done = append(s.done, op)
			continue
		}
		s.refused = append(s.refused, op)
		if handler := reflect.ValueOf(c.api).MethodByName(op); !fails(handler, required(c.name, op)) {
			t.Errorf("%s is said to be refused, and isn't", op)
		}
	}
	for _, op := range missing {
		if s.why[op] == "" {
			s.notYet = append(s.notYet, op)
			continue
		}
		s.refused = append(s.refused, op)
	}
	slices.Sort(s.refused)
	if len(s.refused) != len(s.why) {
		t.Errorf("%s: %d operations are refused on purpose, AWS has only %v of them", c.name, len(s.why), s.refused)
	}
	return s
}

// fails says whether a handler answers with an error for the caller.
func fails(handler reflect.Value, required []string) (yes bool) {
	defer func() {
		if recover() != nil { // it went on, and there is nothing behind it
			yes = false
		}
	}()
	in := reflect.New(handler.Type().In(1).Elem())
	for _, name := range required {
		fill(in.Elem().FieldByName(name), 2)
	}
	err, _ := reflect.TypeAssert[error](handler.Call([]reflect.Value{reflect.ValueOf(context.Background()), in})[1])
	return err != nil
}

func anchor(title string) string { return strings.ReplaceAll(strings.ToLower(title), " ", "-") }

func writeService(w io.Writer, s standing) {
	fmt.Fprintf(w, "\n## %s\n\n| operation | | kept without effect | refused parameters |\n|---|---|---|---|\n", s.title)
	for _, name := range s.done {
		d := s.service.Declaration(name)
		var refused []string
		for _, m := range d.Refused {
			refused = append(refused, "`"+m.Path+"`")
		}
		fmt.Fprintf(w, "| %s | done | %s | %s |\n", name, withReasons(d.Kept), strings.Join(refused, " "))
	}
	for _, name := range s.refused {
		fmt.Fprintf(w, "| %s | refused | | %s |\n", name, s.why[name])
	}
	if len(s.notYet) > 0 {
		fmt.Fprintf(w, "\n<details><summary>Not yet: %d operations</summary>\n\n%s\n\n</details>\n", len(s.notYet), strings.Join(s.notYet, ", "))
	}
}

// withReasons lists members, and behind those that have the same reason, why they have no effect.
func withReasons(kept []wire.Member) string {
	var out strings.Builder
	for i, m := range kept {
		if i > 0 {
			out.WriteByte(' ')
		}
		fmt.Fprintf(&out, "`%s`", m.Path)
		if i == len(kept)-1 || kept[i+1].Why != m.Why {
			out.WriteString(": " + m.Why)
			if i < len(kept)-1 {
				out.WriteByte(';')
			}
		}
	}
	return out.String()
}

// required lists the members that the operation's input must have (Go names).
func required(service, operation string) (names []string) {
	d, err := descriptor.Load(service)
	if err != nil {
		panic(err) // the service was bound to it
	}
	input := d.Shapes[d.Operations[operation].Input]
	if input == nil {
		return nil
	}
	for _, m := range input.Members {
		if m.Required {
			names = append(names, strings.ToUpper(m.Name[:1])+m.Name[1:])
		}
	}
	return names
}

// fill sets v to anything but nothing, as far down as depth.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth)
		fill(value, depth)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for _, f := range v.Fields() {
			if depth > 0 && f.CanSet() {
				fill(f, depth-1)
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	}
}
