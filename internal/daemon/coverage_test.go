package daemon

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/logs"
	"github.com/skylift/skylift/internal/service/sts"
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

// unplugged are the services with nothing behind them: enough to list what
// they do, and to be refused by.
func unplugged() apis {
	ns := arn.Namespace{Region: "us-west-2", Account: "123456789012"}
	return apis{
		sts: sts.New(), ec2: ec2.New(nil, ns, netip.Prefix{}), elbv2: elbv2.New(nil, ns, nil, nil), ecr: ecr.New(nil, nil),
		logs: logs.New(logs.Config{Namespace: ns, Log: slog.New(slog.DiscardHandler)}), ecs: ecs.New(nil, ns, nil, nil, nil), efs: efs.New(nil, ns, nil),
	}
}

func page(t *testing.T) []byte {
	a := unplugged()
	ops := operations(a)
	b := new(bytes.Buffer)
	fmt.Fprint(b, "# What Skylift has of the AWS APIs\n\n",
		"Made by `make generate` from the program itself, and held to it by a test. An operation that is not there is refused by its name, in the\n",
		"shape that the service's errors have. So is a parameter: *refused* lists those that Skylift names and turns down, unless they say no more than\n",
		"AWS's default does. What is not listed is taken, or refused as AWS refuses it (that is all that FARGATE lacks); a value or\n",
		"a nested parameter in it that Skylift has not is refused by name, too. Nothing is accepted and ignored.\n\n",
		"An operation is *done*; or *refused*, because there is nothing that it could be about, and the page says why; or *not yet* there.\n\n",
		"| service | done | refused | not yet | of |\n|---|---|---|---|---|\n")
	var services []standing
	for _, c := range chapters(a) {
		w, err := wire.NewService(c.name, ops[c.name]...)
		if err != nil {
			t.Fatal(err)
		}
		s := stand(t, c, w)
		services = append(services, s)
		fmt.Fprintf(b, "| [%s](#%s) | %d | %d | %d | %d |\n", c.title, anchor(c.title), len(s.done), len(s.refused), len(s.notYet), len(s.done)+len(s.refused)+len(s.notYet))
	}
	for _, s := range services {
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
var onPurpose = map[string][]reason{"ecs": {
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
	chapter
	service      *wire.Service
	done, notYet []string
	refused      []string
	why          map[string]string
}

// stand sorts the operations of a service. What is refused on purpose is an
// operation that AWS has, and if there is a handler it takes nothing.
func stand(t *testing.T, c chapter, w *wire.Service) standing {
	s := standing{chapter: c, service: w, why: map[string]string{}}
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

// chapter is a service on the page.
type chapter struct {
	title, name string
	api         any
}

func chapters(a apis) []chapter {
	return []chapter{
		{"ECS", "ecs", a.ecs},
		{"ECR", "ecr", a.ecr},
		{"Elastic Load Balancing v2", "elasticloadbalancing", a.elbv2},
		{"EC2", "ec2", a.ec2},
		{"EFS", "elasticfilesystem", a.efs},
		{"CloudWatch Logs", "logs", a.logs},
		{"STS", "sts", a.sts},
	}
}

func anchor(title string) string { return strings.ReplaceAll(strings.ToLower(title), " ", "-") }

func writeService(w io.Writer, s standing) {
	fmt.Fprintf(w, "\n## %s\n\n| operation | | refused parameters |\n|---|---|---|\n", s.title)
	for _, name := range s.done {
		handler := reflect.ValueOf(s.api).MethodByName(name)
		fmt.Fprintf(w, "| %s | done | %s |\n", name, quoted(s.service, refused(handler, required(s.name, name))))
		if name == "RegisterTaskDefinition" {
			fmt.Fprintf(w, "| … its `containerDefinitions` | | %s |\n", quoted(s.service, refusedOfContainer(handler)))
		}
	}
	for _, name := range s.refused {
		fmt.Fprintf(w, "| %s | refused | %s |\n", name, s.why[name])
	}
	if len(s.notYet) > 0 {
		fmt.Fprintf(w, "\n<details><summary>Not yet: %d operations</summary>\n\n%s\n\n</details>\n", len(s.notYet), strings.Join(s.notYet, ", "))
	}
}

// quoted lists parameters as the service spells them.
func quoted(s *wire.Service, names []string) string {
	var out []string
	for _, n := range names {
		if s.Protocols()[0] == wire.AWSJSON11 {
			n = strings.ToLower(n[:1]) + n[1:]
		}
		out = append(out, "`"+n+"`")
	}
	return strings.Join(out, " ")
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

// refused asks the handler with one parameter after the other, and returns the
// names of those that it refuses.
func refused(handler reflect.Value, required []string) (names []string) {
	in := handler.Type().In(1).Elem()
	for f := range in.Fields() {
		if !f.IsExported() {
			continue
		}
		v := reflect.New(in)
		for _, name := range append(required, f.Name) {
			fill(v.Elem().FieldByName(name), 2)
		}
		if refuses(handler, v, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// refusedOfContainer does the same with the parameters of a container.
func refusedOfContainer(handler reflect.Value) (names []string) {
	for f := range reflect.TypeFor[types.ContainerDefinition]().Fields() {
		if !f.IsExported() {
			continue
		}
		c := types.ContainerDefinition{Name: new("web"), Image: new("web")}
		if field := reflect.ValueOf(&c).Elem().FieldByName(f.Name); field.IsZero() {
			fill(field, 2)
		}
		in := &sdk.RegisterTaskDefinitionInput{
			Family: new("web"), NetworkMode: types.NetworkModeAwsvpc, Cpu: new("256"), Memory: new("512"),
			ContainerDefinitions: []types.ContainerDefinition{c},
		}
		if refuses(handler, reflect.ValueOf(in), f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// refuses tells whether the handler turns the parameter down by its name. A
// handler that takes it goes on, and fails: there is nothing behind it.
func refuses(handler, in reflect.Value, parameter string) (no bool) {
	defer func() { _ = recover() }()
	err, _ := reflect.TypeAssert[error](handler.Call([]reflect.Value{reflect.ValueOf(context.Background()), in})[1])
	return err != nil && strings.HasPrefix(strings.ToLower(message(err)), strings.ToLower("The parameter '"+parameter+"'")) &&
		strings.Contains(message(err), "not supported by Skylift")
}

func message(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorMessage()
	}
	return err.Error()
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
