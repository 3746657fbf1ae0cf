public import AnomalyModel
import CLibbpf

/// What a session is made of.
public struct SessionRequest {
    /// The same programs for newer and older kernels, the best first: the first that loads is used.
    public let images: [ProbeObject]
    /// The programs' hooks.
    public let probes: [Probe]
    /// Size of the key table.
    public let maxKeys: UInt32
    /// Entries of the memory for rules about repetition, rounded up to whole sets.
    public let maxMemory: UInt32
    /// What the process before has left, to go on with.
    public let inherited: InheritedSession?
    /// Takes each record of the ring, during `drain()`.
    public let onRecord: (UnsafeRawBufferPointer) -> Void

    /// Asks for a session.
    public init(
        images: [ProbeObject], probes: [Probe], maxKeys: UInt32, maxMemory: UInt32,
        inherited: InheritedSession? = nil, onRecord: @escaping (UnsafeRawBufferPointer) -> Void
    ) {
        self.images = images
        self.probes = probes
        self.maxKeys = maxKeys
        self.maxMemory = maxMemory
        self.inherited = inherited
        self.onRecord = onRecord
    }
}

extension ProbeSession {
    /// Makes several sessions at once: most of what it takes is the kernel's checking of the programs, and it checks
    /// for several threads at the same time.
    ///
    /// - Returns: one for each request, in their order.
    public static func load(_ requests: [SessionRequest]) -> [Result<ProbeSession, BackendError>] {
        let loads = requests.map(Load.init)
        var contexts: [UnsafeMutableRawPointer?] = loads.map { Unmanaged.passUnretained($0).toOpaque() }
        // Each load is one thread's until all have ended, and `loads` keeps it alive.
        withExtendedLifetime(loads) { na_run_together(runLoad, &contexts, UInt32(contexts.count)) }
        return loads.map(\.result)
    }
}

/// One session in the making.
private final class Load {
    let request: SessionRequest
    var result = Result<ProbeSession, BackendError>.failure(.refused)

    init(_ request: SessionRequest) { self.request = request }

    func run() {
        do throws(BackendError) {
            result = .success(try ProbeSession(request))
        } catch {
            result = .failure(error)
        }
    }
}

private func runLoad(context: UnsafeMutableRawPointer?) {
    guard let context else { return }
    Unmanaged<Load>.fromOpaque(context).takeUnretainedValue().run()
}
