public import AnomalyModel

/// Every detector of this build, in the order they start.
///
/// A new one gets its line here.
public let allDetectors: [any Detector.Type] = [
    ArpDetector.self,
    TunGSODetector.self,
]

/// Every rule of every detector.
public let allRules: [Rule] = allDetectors.flatMap { $0.rules }
