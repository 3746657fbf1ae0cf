import AnomalyModel
import EventPipeline
import Testing

@Suite struct EnricherTests {
    private let enricher = Enricher()

    @Test(arguments: [
        "handle_softirqs", "__do_softirq", "do_softirq", "do_softirq_own_stack", "net_rx_action", "__irq_exit_rcu",
        "irq_exit_rcu", "asm_sysvec_apic_timer_interrupt", "sysvec_call_function_single", "run_ksoftirqd",
        "__napi_poll", "run_timer_softirq", "call_timer_fn",
    ])
    func `a frame of softirq processing makes the process a bystander`(_ function: String) {
        let frames = ["arp_rcv+0x1/0x10", "\(function).constprop.0+0x40/0x60", "do_syscall_64+0x1/0x2"]
        #expect(enricher.enrich(anomaly(), frames: frames).context == .softirq)
    }

    @Test func `without such a frame the process did it`() {
        let frames = ["tun_get_user+0x4b0/0x1100 [tun]", "tun_chr_write_iter+0x5a/0x80 [tun]", "vfs_write+0x25c/0x460"]
        #expect(enricher.enrich(anomaly(), frames: frames).context == .process)
    }

    @Test(arguments: [["arp_rcv+0x1/0x10"], ["arp_rcv+0x1/0x10", "handle_softirqs+0x40/0x60"]])
    func `the idle task never did it`(_ frames: [String]) {
        var event = anomaly()
        event.pid = 0
        #expect(enricher.enrich(event, frames: frames).context == .idle)
    }

    @Test func `frames that were named by who saw them take the place of others`() {
        var event = anomaly()
        (event.stack, event.frames) = ([], ["bpf_prog_1f_x+1", "tcp_retransmit_skb+12", "call_timer_fn+33"])
        let enriched = enricher.enrich(event, frames: [])
        #expect(enriched.stack == ["tcp_retransmit_skb+12", "call_timer_fn+33"])
        #expect(enriched.function == "tcp_retransmit_skb" && enriched.context == .softirq)
        (event.pid, event.command) = (0, "")
        #expect(enricher.enrich(event, frames: []).context == .softirq)
        #expect(enricher.enrich(event, frames: ["arp_rcv+0x1/0x10"]).stack == ["arp_rcv+0x1/0x10"])
    }

    @Test(arguments: [[], ["0xffffffff81234567", "0xffffffff81234568"]])
    func `without names nothing is guessed`(_ frames: [String]) {
        let enriched = enricher.enrich(anomaly(), frames: frames)
        #expect(enriched.context == nil)
        #expect(enriched.function == nil)
        #expect(enriched.stack == frames)
    }

    @Test func `the tracing machinery is cut off the top only`() {
        let frames = [
            "bpf_prog_2f1c_on_netif_receive_skb+0x1e/0x40", "bpf_trampoline_6442470400+0x4c/0xc6",
            "__bpf_prog_enter_recur+0x1/0x2", "bpf_trace_run1+0x80/0x120", "__bpf_trace_netif_receive_skb+0x1/0x2",
            "__traceiter_netif_receive_skb+0x40/0x50", "trace_netif_receive_skb+0x1/0x2",
            "__netif_receive_skb_core.constprop.0+0x7b/0xe40", "trace_me+0x1/0x2",
        ]
        let enriched = enricher.enrich(anomaly(), frames: frames)
        #expect(enriched.stack == Array(frames.suffix(2)))
        #expect(enriched.function == "__netif_receive_skb_core")
    }

    @Test(arguments: [
        ("arp_process.isra.0+0x40/0x9d0", "arp_process"), ("arp_process.part.0.cold+0x40/0x9d0", "arp_process"),
        ("tun_get_user+0x1/0x2 [tun]", "tun_get_user"), ("neigh_update", "neigh_update"),
        ("arp_process+64", "arp_process"),
    ])
    func `a function is named as in the source`(_ frame: String, _ function: String) {
        #expect(enricher.enrich(anomaly(), frames: [frame]).function == function)
    }

    @Test func `the place of a drop is where it was seen`() {
        var event = anomaly()
        event.dropLocation = 0xffff_ffff_81ab_cdef
        let named = enricher.enrich(event, frames: ["kfree_skb+0x1/0x2"], dropLocation: "arp_rcv+0x13c/0x210")
        #expect(named.function == "arp_rcv")
        #expect(named.dropLocation == "arp_rcv+0x13c/0x210")
        let unnamed = enricher.enrich(event, frames: ["kfree_skb+0x1/0x2"])
        #expect(unnamed.function == "kfree_skb")
        #expect(unnamed.dropLocation == "0xffffffff81abcdef")
    }

    @Test func `where nothing was dropped there is no place`() {
        #expect(enricher.enrich(anomaly(), frames: []).dropLocation == nil)
    }
}
