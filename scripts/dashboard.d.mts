export declare function buildDashboard(directory?: string): Promise<void>;
export declare function isDashboardStale(): boolean;
