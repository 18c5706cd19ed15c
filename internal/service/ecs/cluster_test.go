package ecs_test

import (
	"context"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// alike compares what the API returns.
var alike = cmpopts.IgnoreUnexported(types.Cluster{}, types.ClusterSetting{}, types.ClusterConfiguration{}, types.ExecuteCommandConfiguration{}, types.ExecuteCommandLogConfiguration{},
	types.Tag{}, types.CapacityProviderStrategyItem{}, types.KeyValuePair{}, types.Setting{})

// TestClusters makes a cluster with everything that one can have, and describes,
// changes, deletes and makes it again.
func TestClusters(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		in := &sdk.CreateClusterInput{
			ClusterName: aws.String("all"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}},
			Settings:          []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: aws.String("disabled")}},
			Configuration:     &types.ClusterConfiguration{ExecuteCommandConfiguration: &types.ExecuteCommandConfiguration{Logging: types.ExecuteCommandLoggingDefault}},
			CapacityProviders: []string{"FARGATE_SPOT", "FARGATE"}, DefaultCapacityProviderStrategy: strategy{item("FARGATE", 1, 2)},
		}
		made, err := w.API.CreateCluster(w.T.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		want := types.Cluster{
			ClusterName: aws.String("all"), ClusterArn: aws.String(ours + "cluster/all"), Status: aws.String("ACTIVE"), Tags: in.Tags, Settings: in.Settings,
			Configuration: in.Configuration, CapacityProviders: in.CapacityProviders, DefaultCapacityProviderStrategy: in.DefaultCapacityProviderStrategy, Statistics: []types.KeyValuePair{},
		}
		if d := cmp.Diff(want, *made.Cluster, alike); d != "" {
			t.Errorf("made: %s", d)
		}
		is := w.Cluster("all")
		want.Attachments, is.Statistics = []types.Attachment{}, []types.KeyValuePair{}
		if d := cmp.Diff(want, is, alike); d != "" {
			t.Errorf("described: %s", d)
		}
		bare, err := w.API.DescribeClusters(w.T.Context(), &sdk.DescribeClustersInput{Clusters: []string{"all", "gone"}})
		if c := bare.Clusters[0]; err != nil || c.Tags != nil || len(c.Settings) > 0 || c.Configuration != nil || *bare.Failures[0].Arn != ours+"cluster/gone" || *bare.Failures[0].Reason != "MISSING" {
			t.Errorf("described with nothing more: %+v %v", bare, err)
		}
		for _, again := range []*sdk.CreateClusterInput{in, {ClusterName: aws.String("all")}} {
			if out, err := w.API.CreateCluster(w.T.Context(), again); err != nil || cmp.Diff(made.Cluster, out.Cluster, alike) != "" {
				t.Errorf("again: %v %+v", err, out)
			}
		}
		other := *in
		other.Tags = nil
		other.CapacityProviders = []string{"FARGATE"}
		_, err = w.API.CreateCluster(w.T.Context(), &other)
		wantError(t, err, badCode, "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
		if _, err := w.API.DeleteCluster(w.T.Context(), &sdk.DeleteClusterInput{Cluster: aws.String(ours + "cluster/all")}); err != nil {
			t.Fatal(err)
		}
		if c := w.Cluster("all"); *c.Status != "INACTIVE" {
			t.Errorf("deleted, it is %s", *c.Status)
		}
		_, err = w.API.ListTasks(w.T.Context(), &sdk.ListTasksInput{Cluster: aws.String("all")})
		wantError(t, err, "ClusterNotFoundException", "The referenced cluster was inactive.")
		anew, err := w.API.CreateCluster(w.T.Context(), &sdk.CreateClusterInput{ClusterName: aws.String("all")})
		if err != nil || *anew.Cluster.Status != "ACTIVE" || len(anew.Cluster.CapacityProviders) != 0 || len(anew.Cluster.Tags) != 0 {
			t.Errorf("made anew: %+v %v", anew, err)
		}
	})
}

func TestUpdateCluster(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		name, off := aws.String("default"), []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: aws.String("disabled")}}
		exec := func(l types.ExecuteCommandLogging) *types.ClusterConfiguration {
			return &types.ClusterConfiguration{ExecuteCommandConfiguration: &types.ExecuteCommandConfiguration{Logging: l}}
		}
		out, err := w.API.UpdateCluster(w.T.Context(), &sdk.UpdateClusterInput{Cluster: name, Settings: off, Configuration: exec(types.ExecuteCommandLoggingDefault)})
		if err != nil || out.Cluster.Configuration.ExecuteCommandConfiguration.Logging != types.ExecuteCommandLoggingDefault {
			t.Errorf("update: %v %+v", err, out)
		}
		blank := exec(types.ExecuteCommandLoggingDefault)
		blank.ExecuteCommandConfiguration.LogConfiguration = &types.ExecuteCommandLogConfiguration{}
		if _, err := w.API.UpdateCluster(w.T.Context(), &sdk.UpdateClusterInput{Cluster: name, Configuration: blank}); err != nil {
			t.Errorf("a log configuration that says nothing: %v", err)
		}
		set, err := w.API.UpdateClusterSettings(w.T.Context(), &sdk.UpdateClusterSettingsInput{Cluster: name, Settings: off})
		if d := cmp.Diff(off, set.Cluster.Settings, alike); err != nil || d != "" || w.Cluster("default").Configuration == nil {
			t.Errorf("update of settings: %v %s", err, d)
		}
		on := func(v string) []types.ClusterSetting {
			return []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: &v}}
		}
		before := dump(w)
		for _, tt := range []struct {
			call       func(*ecstest.World) error
			code, want string
		}{
			{call((*api.API).UpdateClusterSettings, &sdk.UpdateClusterSettingsInput{Cluster: name, Settings: on("maybe")}), badCode, "Invalid setting value 'maybe'"},
			{call((*api.API).UpdateClusterSettings, &sdk.UpdateClusterSettingsInput{Cluster: name}), badCode, "Settings cannot be empty."},
			{call((*api.API).UpdateCluster, &sdk.UpdateClusterInput{Cluster: name, Configuration: exec(types.ExecuteCommandLoggingOverride)}), badCode, "logConfiguration must be specified"},
			{call((*api.API).UpdateCluster, &sdk.UpdateClusterInput{Cluster: name, Configuration: &types.ClusterConfiguration{
				ManagedStorageConfiguration: &types.ManagedStorageConfiguration{KmsKeyId: aws.String("k")},
			}}), badCode, "'configuration.managedStorageConfiguration'"},
			{call((*api.API).CreateCluster, &sdk.CreateClusterInput{Configuration: &types.ClusterConfiguration{
				ExecuteCommandConfiguration: &types.ExecuteCommandConfiguration{KmsKeyId: aws.String("k")},
			}}), badCode, "'configuration.executeCommandConfiguration.kmsKeyId'"},
			{call((*api.API).UpdateCluster, &sdk.UpdateClusterInput{Cluster: name, ServiceConnectDefaults: &types.ClusterServiceConnectDefaultsRequest{Namespace: aws.String("n")}}), badCode, "'serviceConnectDefaults'"},
			{call((*api.API).UpdateCluster, &sdk.UpdateClusterInput{Cluster: aws.String("gone")}), "ClusterNotFoundException", ""},
			{call((*api.API).CreateCluster, &sdk.CreateClusterInput{ClusterName: name, Configuration: exec(types.ExecuteCommandLoggingNone)}), badCode, "inconsistent"},
		} {
			wantError(t, tt.call(w), tt.code, tt.want)
		}
		if d := cmp.Diff(before, dump(w), alike); d != "" {
			t.Errorf("what was refused changed the records: %s", d)
		}
	})
}

// TestClusterCounts follows a cluster's counts from its first task to none.
func TestClusterCounts(t *testing.T) {
	slow := fake.Config{Behave: func(engine.Container) fake.Behaviour { return fake.Behaviour{StartTime: ecstest.Sec(3)} }}
	ecstest.Play(t, slow, func(w *ecstest.World) {
		counts := func(what string, want map[string]string) {
			t.Helper()
			c := w.Cluster("default")
			got := map[string]string{}
			for _, s := range c.Statistics {
				if *s.Value != "0" {
					got[*s.Name] = *s.Value
				}
			}
			if d := cmp.Diff(want, got); d != "" || len(c.Statistics) != 8 {
				t.Errorf("%s: %d statistics; %s", what, len(c.Statistics), d)
			}
			in := map[string]int32{"runningFargateTasksCount": c.RunningTasksCount, "pendingFargateTasksCount": c.PendingTasksCount, "activeFargateServiceCount": c.ActiveServicesCount}
			for name, n := range maps.All(in) {
				if got[name] != "" && got[name] != string(rune('0'+n)) {
					t.Errorf("%s: %s is %s, in the cluster %d", what, name, got[name], n)
				}
			}
		}
		w.Define()
		counts("nothing", map[string]string{})
		w.Halt() // else the loops go on before it is looked at
		w.Service(3)
		counts("a service", map[string]string{"activeFargateServiceCount": "1"})
		w.Start()
		w.After(ecstest.Sec(1))
		counts("tasks that start", map[string]string{"activeFargateServiceCount": "1", "pendingFargateTasksCount": "3"})
		w.After(ecstest.Sec(10))
		counts("tasks that run", map[string]string{"activeFargateServiceCount": "1", "runningFargateTasksCount": "3"})
		w.Halt()
		if _, err := w.API.DeleteService(w.T.Context(), &sdk.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
		counts("drains", map[string]string{"drainingFargateServiceCount": "1", "runningFargateTasksCount": "3"})
		_, err := w.API.DeleteCluster(w.T.Context(), &sdk.DeleteClusterInput{Cluster: aws.String("default")})
		wantError(t, err, "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
		w.Start()
		w.After(ecstest.Sec(90))
		counts("gone", map[string]string{})
	})
}

func TestAccountSettings(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		root := "arn:aws:iam::111122223333:root"
		as := func(c context.Context) context.Context { return caller.With(c, caller.Caller{ARN: root}) }
		list := func(in sdk.ListAccountSettingsInput) map[string]string {
			t.Helper()
			got := map[string]string{}
			for {
				out, err := w.API.ListAccountSettings(as(w.T.Context()), &in)
				if err != nil {
					t.Fatal(err)
				}
				if n := int(max(in.MaxResults, 1)) * 10; len(out.Settings) > n {
					t.Errorf("a page has %d settings", len(out.Settings))
				}
				for _, s := range out.Settings {
					got[string(s.Name)] = *s.Value
					if *s.PrincipalArn != root {
						t.Errorf("%s is of %s", s.Name, *s.PrincipalArn)
					}
				}
				if in.NextToken = out.NextToken; out.NextToken == nil {
					return got
				}
			}
		}
		if got := list(sdk.ListAccountSettingsInput{}); len(got) != 0 {
			t.Errorf("set by nobody: %v", got)
		}
		effective := map[string]string{
			"awsvpcTrunking": "disabled", "containerInsights": "disabled", "containerInstanceLongArnFormat": "enabled", "defaultLogDriverMode": "non-blocking",
			"fargateEventWindows": "disabled", "fargateFIPSMode": "disabled", "fargateTaskRetirementWaitPeriod": "7", "guardDutyActivate": "off",
			"serviceLongArnFormat": "enabled", "tagResourceAuthorization": "off", "taskLongArnFormat": "enabled",
		}
		for _, n := range []int32{0, 1, 4} {
			if d := cmp.Diff(effective, list(sdk.ListAccountSettingsInput{EffectiveSettings: true, MaxResults: n})); d != "" {
				t.Errorf("effective, %d at a time: %s", n, d)
			}
		}
		if len(effective) != len(types.SettingName("").Values()) {
			t.Errorf("%d settings, the API has %d", len(effective), len(types.SettingName("").Values()))
		}
		wait := types.SettingNameFargateTaskRetirementWaitPeriod
		if out, err := w.API.PutAccountSettingDefault(as(w.T.Context()), &sdk.PutAccountSettingDefaultInput{Name: wait, Value: aws.String("14")}); err != nil || *out.Setting.Value != "14" {
			t.Errorf("default: %v %v", out, err)
		}
		if out, err := w.API.PutAccountSetting(as(w.T.Context()), &sdk.PutAccountSettingInput{Name: "taskLongArnFormat", Value: aws.String("enabled"), PrincipalArn: &root}); err != nil || *out.Setting.PrincipalArn != root {
			t.Errorf("put: %v %v", out, err)
		}
		if d := cmp.Diff(map[string]string{string(wait): "14", "taskLongArnFormat": "enabled"}, list(sdk.ListAccountSettingsInput{})); d != "" {
			t.Errorf("set: %s", d)
		}
		if got := list(sdk.ListAccountSettingsInput{EffectiveSettings: true, Name: wait, Value: aws.String("7")}); len(got) != 0 {
			t.Errorf("with another value: %v", got)
		}
		if out, err := w.API.DeleteAccountSetting(as(w.T.Context()), &sdk.DeleteAccountSettingInput{Name: wait}); err != nil || *out.Setting.Value != "7" {
			t.Errorf("delete: %v %v", out, err)
		}
		if d := cmp.Diff(effective, list(sdk.ListAccountSettingsInput{EffectiveSettings: true})); d != "" {
			t.Errorf("after all: %s", d)
		}
		for _, tt := range []struct {
			name        types.SettingName
			value, want string
		}{
			{"containerInsights", "on", "Valid values are: disabled, enabled, enhanced."},
			{"fargateFIPSMode", "enabled", "not supported by Skylift"},
			{"serviceLongArnFormat", "disabled", "not supported by Skylift"},
			{"fargateTaskRetirementWaitPeriod", "3", "is not valid for the account setting fargateTaskRetirementWaitPeriod. Valid values are: 7, 0, 14."},
			{"guardDutyActivate", "on", "managed by AWS"},
			{"defaultLogDriverMode", "fast", "Valid values are: non-blocking, blocking."},
		} {
			_, err := w.API.PutAccountSetting(as(w.T.Context()), &sdk.PutAccountSettingInput{Name: tt.name, Value: &tt.value})
			wantError(t, err, badCode, tt.want)
		}
		_, err := w.API.PutAccountSetting(as(w.T.Context()), &sdk.PutAccountSettingInput{Name: wait, Value: aws.String("0"), PrincipalArn: aws.String("arn:aws:iam::111122223333:user/me")})
		wantError(t, err, badCode, "user/me is not valid")
		_, err = w.API.ListAccountSettings(as(w.T.Context()), &sdk.ListAccountSettingsInput{Value: aws.String("7")})
		wantError(t, err, badCode, "name")
		_, err = w.API.DeleteAccountSetting(as(w.T.Context()), &sdk.DeleteAccountSettingInput{Name: "guardDutyActivate"})
		wantError(t, err, badCode, "managed by AWS")
	})
}
