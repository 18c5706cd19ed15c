package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/test/bench/cloud"
	"github.com/skylift/skylift/test/bench/figure"
	"github.com/skylift/skylift/test/bench/peers"
	"github.com/skylift/skylift/test/bench/proc"
)

const (
	balancerPort = 8080
	connections  = 64
)

// contender is a balancer before the app, or the app itself.
type contender struct {
	name string
	url  string
	pid  int // whose CPU time counts; 0: nobody's

	requests, p50, p99, cpu figure.Series
}

// measureBalancer measures Skylift, nginx and HAProxy before the same task, by
// turns, and the task alone.
func measureBalancer(ctx context.Context, b *bench) (figures []figure.Figure, err error) {
	c, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Down(ctx)) }()
	target, err := balanced(ctx, c)
	if err != nil {
		return nil, err
	}
	nginx, nginxURL, err := peers.Nginx(ctx, b.Work, target)
	if err != nil {
		return nil, err
	}
	defer nginx.Stop()
	haproxy, haproxyURL, err := peers.HAProxy(ctx, b.Work, target)
	if err != nil {
		return nil, err
	}
	defer haproxy.Stop()
	own := &contender{name: "skylift", url: fmt.Sprintf("http://%s:%d/", b.LB, balancerPort), pid: c.Process.Pid}
	if err := c.Answers(ctx, own.url); err != nil {
		return nil, err
	}
	all := []*contender{
		own,
		{name: "nginx", url: nginxURL, pid: nginx.Process.Pid},
		{name: "haproxy", url: haproxyURL, pid: haproxy.Process.Pid},
		{name: "the task alone", url: "http://" + target + "/"},
	}
	for _, w := range all {
		if _, err := w.load(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	for i := range b.rounds {
		for j := range all {
			w := all[(i+j)%len(all)]
			got, err := w.load(ctx, b.load)
			if err != nil {
				return nil, err
			}
			w.add(got)
			progress("balancer: round %d: %s: %.0f requests/s, p99 %.2f ms", i+1, w.name, got.perSecond, got.p99)
		}
	}
	return compare(own, all[1:]), nil
}

func compare(own *contender, peers []*contender) (figures []figure.Figure) {
	for _, p := range peers {
		figures = append(figures, figure.Figure{Name: "balancer: requests/s", Ours: own.requests, Peer: p.name, Theirs: p.requests})
	}
	for _, p := range peers {
		figures = append(figures, figure.Figure{Name: "balancer: half of the answers within", Unit: "ms", Ours: own.p50, Peer: p.name, Theirs: p.p50})
	}
	for _, p := range peers {
		figures = append(figures, figure.Figure{Name: "balancer: 99 % of the answers within", Unit: "ms", Ours: own.p99, Peer: p.name, Theirs: p.p99})
	}
	for _, p := range peers {
		if p.pid != 0 {
			figures = append(figures, figure.Figure{Name: "balancer: CPU time of a request", Unit: "µs", Ours: own.cpu, Peer: p.name, Theirs: p.cpu})
		}
	}
	return figures
}

// balanced runs the app behind a load balancer and returns the task's address.
func balanced(ctx context.Context, c *cloud.Cloud) (string, error) {
	if err := c.Define(ctx); err != nil {
		return "", err
	}
	t, err := c.RunTask(ctx)
	if err != nil {
		return "", err
	}
	ip := *t.Containers[0].NetworkInterfaces[0].PrivateIpv4Address
	group, err := c.TargetGroup(ctx, "bench")
	if err != nil {
		return "", err
	}
	if _, err := c.Balancer(ctx, balancerPort, elbtypes.Action{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &group}); err != nil {
		return "", err
	}
	_, err = c.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &group, Targets: []elbtypes.TargetDescription{{Id: &ip, Port: new(int32(cloud.AppPort))}}})
	if err != nil {
		return "", err
	}
	healthy := elb.NewTargetInServiceWaiter(c.ELB, func(o *elb.TargetInServiceWaiterOptions) { o.MinDelay, o.MaxDelay = time.Second, time.Second })
	if err := healthy.Wait(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &group}, time.Minute); err != nil {
		return "", fmt.Errorf("wait for a healthy target: %w", err)
	}
	return net.JoinHostPort(ip, strconv.Itoa(cloud.AppPort)), nil
}

// result is what one load gave; times in ms.
type result struct {
	requests            float64
	perSecond, p50, p99 float64
	cpu                 time.Duration
}

func (w *contender) add(r result) {
	w.requests, w.p50, w.p99 = append(w.requests, r.perSecond), append(w.p50, r.p50), append(w.p99, r.p99)
	w.cpu = append(w.cpu, float64(r.cpu.Microseconds())/r.requests)
}

// load sends requests from all connections for a while.
func (w *contender) load(ctx context.Context, lasts time.Duration) (r result, err error) {
	before, err := w.used()
	if err != nil {
		return r, err
	}
	out, err := proc.Output(ctx, "wrk", "-t2", "-c"+strconv.Itoa(connections), fmt.Sprintf("-d%ds", int(lasts.Seconds())), "--latency", w.url)
	if err != nil {
		return r, err
	}
	after, err := w.used()
	if err != nil {
		return r, err
	}
	if r, err = parseLoad(out); err != nil {
		return r, fmt.Errorf("%s: %w", w.name, err)
	}
	r.cpu = after - before
	return r, nil
}

func (w *contender) used() (time.Duration, error) {
	if w.pid == 0 {
		return 0, nil
	}
	return proc.CPUOf(w.pid)
}

var (
	wrkLatency  = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+\w+)$`)
	wrkRate     = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)$`)
	wrkRequests = regexp.MustCompile(`(?m)^\s+(\d+) requests in`)
	wrkLost     = regexp.MustCompile(`(?m)^\s*(Socket errors|Non-2xx).*$`)
)

// parseLoad reads what wrk prints. An answer that failed spoils the load.
func parseLoad(out string) (r result, err error) {
	if lost := wrkLost.FindString(out); lost != "" {
		return r, errors.New("not all requests were answered: " + strings.TrimSpace(lost))
	}
	times := wrkLatency.FindAllStringSubmatch(out, -1)
	rate, requests := wrkRate.FindStringSubmatch(out), wrkRequests.FindStringSubmatch(out)
	if len(times) != 2 || rate == nil || requests == nil {
		return r, fmt.Errorf("can't read what wrk says: %s", out)
	}
	var errs [4]error
	r.perSecond, errs[0] = strconv.ParseFloat(rate[1], 64)
	r.requests, errs[1] = strconv.ParseFloat(requests[1], 64)
	half, err := time.ParseDuration(times[0][2])
	r.p50, errs[2] = ms(half), err
	most, err := time.ParseDuration(times[1][2])
	r.p99, errs[3] = ms(most), err
	return r, errors.Join(slices.Clone(errs[:])...)
}
