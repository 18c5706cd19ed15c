package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/projection/status"
	"github.com/skylift/skylift/internal/projection/why"
	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
	"github.com/skylift/skylift/internal/service/secretsmanager"
	"github.com/skylift/skylift/internal/service/secretsmanager/valuefrom"
	"github.com/skylift/skylift/internal/service/ssm"
	"github.com/skylift/skylift/internal/store"
)

// StatusPath is where `skylift status` gets its report from; requests are
// signed for the service "skylift".
const StatusPath = "/skylift/v1/status"

// BalancersPath is where what load balancers have counted is got from, by balancer, target group, zone and target.
const BalancersPath = "/skylift/v1/balancers"

// Counts is what is got there.
type Counts = meter.Counts

// inside answers what is Skylift's own.
func (m *machine) inside(services []part) http.Handler {
	versions := versionsOf(services)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+StatusPath, func(w http.ResponseWriter, r *http.Request) {
		report, err := m.status(r, versions)
		m.answer(w, "status", report, err)
	})
	mux.HandleFunc("GET "+DNSPath, func(w http.ResponseWriter, r *http.Request) {
		report, err := m.tellDNS(r.Context())
		m.answer(w, "dns", report, err)
	})
	mux.HandleFunc("GET "+BalancersPath, func(w http.ResponseWriter, _ *http.Request) { m.answer(w, "balancers", m.lb.Counts(), nil) })
	mux.HandleFunc("GET "+CAPath, m.tellCA(services))
	mux.HandleFunc("GET "+WhyPath, m.tellWhy)
	mux.HandleFunc("GET "+DeniedPath, m.tellDenied)
	return mux
}

// answer sends what was asked for, unless there was an error.
func (m *machine) answer(w http.ResponseWriter, what string, report any, err error) {
	if err != nil {
		m.Log.Error("make a report", "key", what, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(report) // the client went away
}

// versionsOf looks up which version there is now of what a valueFrom of a task definition names.
func versionsOf(services []part) func(store.Tx, string) (string, error) {
	secrets, values := apiOf[*secretsmanager.API](services), apiOf[*ssm.API](services)
	return func(tx store.Tx, from string) (string, error) {
		if inputs.IsSecret(from) {
			return valuefrom.Version(tx, secrets, from)
		}
		return values.VersionFrom(tx, from)
	}
}

// Status is the picture that `skylift status` shows, with what is wrong, the worst first, as `skylift why` tells it.
type Status struct {
	status.Report
	Findings []finding.Finding `json:"findings"`
}

func (m *machine) status(r *http.Request, versions func(store.Tx, string) (string, error)) (Status, error) {
	plain, err := m.plain(r.Context())
	if err != nil {
		return Status{}, err
	}
	in := status.Input{
		Account: m.is.AccountID, Region: m.is.Region, Engine: about(m.Engine), DNS: m.dnsListens(), Address: m.LBAddress,
		Problems: append(m.problems(), plain...), Now: time.Now(),
		Total: m.capacity.Total(), Reserved: m.capacity.Used(), Waiting: m.capacity.Waiting(),
		Version: versions, Scans: m.vulnerabilities.Given(),
	}
	err = m.db.View(r.Context(), func(tx store.Tx) error {
		troubles, err := acm.Troubles(tx)
		in.Problems = append(in.Problems, troubles...)
		return errors.Join(err, in.Read(tx))
	})
	if err != nil {
		return Status{}, err
	}
	s, err := m.records(r.Context())
	if err != nil {
		return Status{}, err
	}
	return Status{status.Build(in), why.Everything(s).Findings}, nil // what is wrong with the machine stands among the problems
}

// problems are what is wrong with the machine, and with what balancers want of it.
func (m *machine) problems() (out []string) {
	for addr, err := range m.lb.BindErrors() {
		out = append(out, fmt.Sprintf("load balancers can't listen on %s: %v", addr, err))
	}
	slices.Sort(out)
	return append(out, m.machineProblems()...)
}

// machineProblems are what is wrong with the machine.
func (m *machine) machineProblems() (out []string) {
	out = append(out, m.limits.problems(m.lb.Short())...)
	if short := processProblem(); short != "" {
		out = append(out, short)
	}
	if p := m.vulnerabilities.Problem(); p != "" {
		out = append(out, p)
	}
	return slices.Concat(out, m.delivery.Troubles(), engineProblems(m.Engine), m.disk.Problems())
}
