package api_test

import (
	"fmt"
	"net/http"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

func projectRows() []row {
	return []row{
		op(wire.ShowProject, inAcme, prj),
		op(wire.UpdateProject, inAcme, func(n names) wire.ProjectUpdate {
			return wire.ProjectUpdate{ProjectPath: wire.ProjectPath{Owner: n.org, Project: n.scrap}, Name: string(n.scrap)}
		}),
		op(wire.TransferProject, inAcme, func(n names) wire.ProjectTransfer {
			return wire.ProjectTransfer{ProjectPath: wire.ProjectPath{Owner: n.org, Project: n.scrap}, To: "evil"}
		}).in("away", inAcme).or(http.StatusNotFound),
		op(wire.TransferProject, inAcme, func(n names) wire.ProjectTransfer {
			return wire.ProjectTransfer{ProjectPath: wire.ProjectPath{Owner: n.org, Project: n.scrap}, To: string(n.org)}
		}),
		op(wire.SetProjectStack, inAcme, func(n names) wire.ProjectStack {
			return wire.ProjectStack{ProjectPath: wire.ProjectPath{Owner: n.org, Project: n.scrap}, Stack: string(n.stack)}
		}),
		op(wire.DeleteProject, inAcme, func(n names) wire.ProjectPath {
			return wire.ProjectPath{Owner: n.org, Project: n.scrap}
		}),
	}
}

func runRows() []row {
	archived := func(n names) wire.ArchivePath { return wire.ArchivePath{ProjectPath: prj(n), Digest: n.archive} }
	return []row{
		op(wire.LeaseLogin, inAcme, func(n names) wire.LeaseRequest {
			return wire.LeaseRequest{ProjectPath: prj(n), Image: n.host + "/team/app:v1"}
		}),
		op(wire.Explain, inAcme, func(n names) wire.ExplainRequest {
			return wire.ExplainRequest{ProjectPath: prj(n), Image: n.host + "/team/app:v1"}
		}),
		get(wire.DiagnoseImage, inAcme, func(n names) wire.DoctorRequest {
			return wire.DoctorRequest{ProjectPath: prj(n), Image: n.host + "/team/app:v1"}
		}),
		op(wire.LeasePush, inAcme, func(n names) wire.PushLeaseRequest {
			return wire.PushLeaseRequest{ProjectPath: prj(n), Image: n.host + "/team/app:v1"}
		}),
		op(wire.HasArchive, inAcme, archived),
		put(wire.PutArchive, inAcme, archived, archive),
		op(wire.CreateRun, inAcme, func(n names) wire.RunRequest {
			file := fmt.Sprintf("- step:\n    name: train\n    image: %s/team/app:v1\n    command: echo hello\n", n.host)
			return wire.RunRequest{ProjectPath: prj(n), File: file, Step: "train", Archive: n.archive}
		}),
		op(wire.ListRuns, inAcme, func(n names) wire.RunsRequest { return wire.RunsRequest{ProjectPath: prj(n), Before: 99, Limit: 9} }),
		op(wire.ShowRun, inAcme, run),
		op(wire.StopRun, inAcme, func(n names) wire.RunPath { return wire.RunPath{ProjectPath: prj(n), Number: n.queued} }),
		op(wire.ReadLog, inAcme, func(n names) wire.LogRequest { return wire.LogRequest{RunPath: run(n)} }),
		op(wire.ListOutputs, inAcme, run),
		get(wire.GetOutput, inAcme, func(n names) wire.OutputPath { return wire.OutputPath{RunPath: run(n), Name: n.output} }),
	}
}

func workRows() []row {
	zero := 0
	return []row{
		op(wire.Claim, aboutSelf, func(names) wire.ClaimRequest {
			return wire.ClaimRequest{Engine: "docker", Platform: "linux/amd64", Version: "test"}
		}).as(byHolder),
		op(wire.ReportLookout, aboutSelf, func(n names) wire.LookoutReport {
			return wire.LookoutReport{Lookout: n.lookout, Sight: []byte(`{"sight":{}}`)}
		}).or(http.StatusNotFound).as(byHolder),
		op(wire.Renew, heldRun, func(n names) wire.RenewRequest {
			return wire.RenewRequest{HeldPath: held(n), Progress: &fairlead.Progress{Phase: fairlead.PhasePull}}
		}).as(byHolder),
		op(wire.AppendLog, heldRun, func(n names) wire.LogLines {
			return wire.LogLines{HeldPath: held(n), Lines: []fairlead.LogLine{{Seq: 1, Stream: fairlead.Stdout, Text: "hello"}}}
		}).as(byHolder),
		op(wire.LeaseHeld, heldRun, func(n names) wire.HeldLeaseRequest {
			return wire.HeldLeaseRequest{HeldPath: held(n), Host: n.host, Repository: "team/app"}
		}).as(byHolder),
		get(wire.GetHeldArchive, heldRun, held).as(byHolder),
		op(wire.Begin, heldRun, func(n names) wire.BegunRequest {
			return wire.BegunRequest{HeldPath: held(n), Pulled: fairlead.PullRecord{Image: "i", Lease: fairlead.Anonymous}}
		}).as(byHolder),
		put(wire.PutOutput, heldRun, func(n names) wire.HeldOutputPath {
			return wire.HeldOutputPath{HeldPath: held(n), Name: "dir/" + n.output, Digest: digest("output"), Size: 6}
		}, "output").as(byHolder),
		op(wire.End, heldRun, func(n names) wire.EndRequest { return wire.EndRequest{HeldPath: held(n), ExitCode: &zero} }).as(byHolder),
		op(wire.Renew, heldRun, func(n names) wire.RenewRequest {
			return wire.RenewRequest{HeldPath: held(n), Release: true}
		}).in("release", heldRun).or(http.StatusConflict).as(byHolder),
	}
}

func stackRows() []row {
	stack := func(n names) wire.StackPath { return wire.StackPath{OrganizationPath: org(n), Stack: n.stack} }
	return []row{
		op(wire.ListStacks, inAcme, org),
		op(wire.DescribeStack, inAcme, stack),
		op(wire.RegisterStack, inAcme, func(n names) wire.StackRequest {
			return wire.StackRequest{OrganizationPath: org(n), Name: "new-stack", StackFields: wire.StackFields{Registry: string(n.registry), Engine: "docker", Queue: "gpu"}}
		}),
		op(wire.UpdateStack, inAcme, func(n names) wire.StackUpdate {
			queue := "gpu"
			return wire.StackUpdate{StackPath: stack(n), Queue: &queue}
		}),
		op(wire.DeleteStack, inAcme, func(n names) wire.StackPath {
			return wire.StackPath{OrganizationPath: org(n), Stack: n.spareStack}
		}),
	}
}

func gatewayRows() []row {
	image := func(n names) string { return n.host + "/team/kept:v1" }
	return []row{
		get(wire.PrefetchImage, inAcme, func(n names) wire.PrefetchRequest {
			return wire.PrefetchRequest{OrganizationPath: org(n), Image: image(n)}
		}).plus(need{fairlead.LeasePull, inAcme}),
		op(wire.ShowGateway, inAcme, org),
		op(wire.ListCached, inAcme, org),
		op(wire.PinImage, inAcme, func(n names) wire.PinRequest { return wire.PinRequest{OrganizationPath: org(n), Image: image(n)} }),
		op(wire.UnpinImage, inAcme, func(n names) wire.UnpinRequest { return wire.UnpinRequest{OrganizationPath: org(n), Image: image(n)} }),
		get(wire.PruneGateway, inAcme, func(n names) wire.PruneGatewayRequest {
			return wire.PruneGatewayRequest{OrganizationPath: org(n), PruneRequest: wire.PruneRequest{To: "0"}}
		}),
	}
}
